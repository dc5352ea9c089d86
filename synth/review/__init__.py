"""A person in the loop: samples of a finished run accepted, rejected and corrected on its page, served on loopback."""
