# syntax=docker/dockerfile:1
FROM python:3.12-slim AS build
WORKDIR /src
RUN ["python", "-m", "venv", "/opt/drover"]
COPY requirements/ requirements/
RUN ["/opt/drover/bin/pip", "install", "--no-cache-dir", "--only-binary=:all:", "--require-hashes", "--requirement=requirements/operator.txt"]
# The build backend is pinned with its hash: an isolated build would fetch any version.
RUN ["pip", "install", "--no-cache-dir", "--only-binary=:all:", "--require-hashes", "--requirement=requirements/build.txt"]
COPY pyproject.toml README.md LICENSE ./
COPY operator/ operator/
RUN ["pip", "wheel", "--no-cache-dir", "--no-build-isolation", "--no-deps", "--wheel-dir=/wheel", "."]
RUN ["/opt/drover/bin/pip", "install", "--no-deps", "--no-index", "--find-links=/wheel", "drover-operator"]

FROM python:3.12-slim
LABEL org.opencontainers.image.title="Drover" \
      org.opencontainers.image.description="Plans and runs live migrations of KubeVirt virtual machines" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/drover /opt/drover
# The root file system is read-only where this runs, and pip has compiled everything already.
ENV PATH=/opt/drover/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["drover-operator"]
