# ship-deploy on Jetson with JetPack 6, whose image contains CUDA and TensorRT. Build it on the Jetson:
#   docker build -f deploy/jetson.Dockerfile -t ship-deploy:jetson .
#   docker run --runtime nvidia ship-deploy:jetson doctor
FROM nvcr.io/nvidia/l4t-jetpack:r36.4.0
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        ffmpeg libgl1 libglib2.0-0 python3-libnvinfer python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 --groups video ship
WORKDIR /source
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY ship_deploy ship_deploy
# CUDA 12.6: cuda-python of the same generation. TensorRT is that of the image.
RUN python3 -m venv --system-site-packages /opt/ship-deploy \
    && /opt/ship-deploy/bin/pip install --no-cache-dir ".[cpu]" "cuda-python>=12.9,<13" "cuda-core>=0.5" polygraphy
USER 10001
WORKDIR /home/ship
VOLUME /home/ship/.cache
EXPOSE 8080
ENTRYPOINT ["/opt/ship-deploy/bin/ship-deploy"]
CMD ["--help"]
