# ship-deploy on NVIDIA GPUs, with TensorRT. The host needs a driver and the NVIDIA Container Toolkit.
#   docker build -f deploy/cuda.Dockerfile -t ship-deploy:cuda .
#   docker run --gpus all ship-deploy:cuda doctor
# Other engines: --build-arg EXTRA=gpu for ONNX Runtime with CUDA, or tensorrt-rtx.
FROM python:3.12-slim-bookworm AS build
ARG EXTRA=tensorrt
WORKDIR /source
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY ship_deploy ship_deploy
RUN python -m venv /opt/ship-deploy \
    && /opt/ship-deploy/bin/pip install --no-cache-dir --constraint constraints.txt ".[${EXTRA}]"

FROM python:3.12-slim-bookworm
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ffmpeg libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --uid 10001 --groups video ship
COPY --from=build /opt/ship-deploy /opt/ship-deploy
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001
WORKDIR /home/ship
# Engines are built once and kept here; give it a volume.
VOLUME /home/ship/.cache
EXPOSE 8080
ENTRYPOINT ["/opt/ship-deploy/bin/ship-deploy"]
CMD ["--help"]
