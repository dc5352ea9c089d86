# The demo in a container, with the versions of constraints.txt:
#   docker build -t flawsmith .                              # or: --build-arg DEVICE=cuda
#   docker run --rm -v "$PWD/outputs:/outputs" flawsmith     # any other command: docker run ... flawsmith flawsmith --help
ARG PYTHON=3.11
FROM python:${PYTHON}-slim

# cpu or cuda: which build of torch. With cuda run it with --gpus all.
ARG DEVICE=cpu
# Where pip finds no CPU build of torch: the address of an index that has it.
ARG TORCH_INDEX=
ENV DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1

# What open3d needs to import, as in the Makefile.
RUN apt-get -qq update \
    && apt-get -qq install -y --no-install-recommends libegl1 libusb-1.0-0 libgl1 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /flawsmith
COPY constraints.txt ./
# The general build of torch carries CUDA.
RUN torch=$(grep '^torch==' constraints.txt) \
    && if [ "$DEVICE" = cpu ]; then \
         pip install -q "$torch+cpu" ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} || pip install -q "$torch"; \
       else \
         pip install -q "$torch"; \
       fi
COPY . .
RUN pip install -q '.[imagenet,lora,open3d,ray]' -c constraints.txt

WORKDIR /
VOLUME /outputs
CMD ["sh", "-c", "flawsmith demo && flawsmith eval verdict outputs/demo --quick && flawsmith eval detectors --data outputs/demo --detectors patchcore,rad,cif,musc"]
