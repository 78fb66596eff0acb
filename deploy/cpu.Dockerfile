# ship-deploy on CPUs. From the root of the repository:
#   docker build -f deploy/cpu.Dockerfile -t ship-deploy .
FROM python:3.12-slim-bookworm AS build
WORKDIR /source
COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY ship_deploy ship_deploy
RUN python -m venv /opt/ship-deploy \
    && /opt/ship-deploy/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
    && /opt/ship-deploy/bin/pip install --no-cache-dir --no-deps .

FROM python:3.12-slim-bookworm
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ffmpeg libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --uid 10001 --groups video ship
COPY --from=build /opt/ship-deploy /opt/ship-deploy
USER 10001
WORKDIR /home/ship
EXPOSE 8080
ENTRYPOINT ["/opt/ship-deploy/bin/ship-deploy"]
CMD ["--help"]
