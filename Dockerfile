# opsbot as a container: two stages, locked and hashed dependencies, no root, nothing writable but /tmp and the state.
#
#   docker build -t opsbot .
#   docker run --read-only --tmpfs /tmp -v ./home:/etc/opsbot:ro -v opsbot-state:/var/lib/opsbot opsbot
#
# Python 3.13 on Debian 13, for the OpenSSL 3.5 in it: probes verify whole chains and cost a third less than with 3.0.
# A release pins the base by digest: --build-arg PYTHON_IMAGE=docker.io/library/python@sha256:...
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
RUN python3 -m venv /opt/opsbot
ENV PATH=/opt/opsbot/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
# Dependencies are a layer of their own: a change of opsbot rebuilds the last one only. pip compiles what it installs.
COPY requirements-image.lock ./
RUN pip install --quiet --require-hashes -r requirements-image.lock
COPY requirements-build.lock pyproject.toml README.md CHANGELOG.md config.toml ./
COPY jobs ./jobs
COPY report_templates ./report_templates
COPY runbooks ./runbooks
COPY opsbot ./opsbot
# The tools that build the wheel stay in a place of their own, and behind.
RUN python3 -m venv /tmp/wheel \
 && /tmp/wheel/bin/pip install --quiet --require-hashes -r requirements-build.lock \
 && /tmp/wheel/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /tmp/dist . \
 && pip install --quiet --no-deps /tmp/dist/*.whl \
 && pip uninstall --quiet --yes pip \
 && MPLCONFIGDIR=/opt/opsbot/matplotlib python -c "import matplotlib.font_manager"

FROM ${PYTHON_IMAGE}
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="opsbot" \
      org.opencontainers.image.description="The ops engineer that never sleeps: checks AWS environments, probes endpoints, writes reports, tells the right person." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# tini is process 1: it hands signals on and buries the children of runs that were killed.
RUN command -v tini >/dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends tini && rm -rf /var/lib/apt/lists/*)
COPY --from=build /opt/opsbot /opt/opsbot
RUN mkdir -p /etc/opsbot /var/lib/opsbot \
 && cp /opt/opsbot/lib/python3*/site-packages/opsbot/_home/config.toml /etc/opsbot/ \
 && mv /opt/opsbot/matplotlib /var/lib/opsbot/matplotlib \
 && chown -R 10001:10001 /var/lib/opsbot
ENV PATH=/opt/opsbot/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OPSBOT_HOME=/etc/opsbot \
    OPSBOT_STATE=/var/lib/opsbot \
    MPLCONFIGDIR=/var/lib/opsbot/matplotlib \
    HOME=/tmp
USER 10001:10001
WORKDIR /var/lib/opsbot
VOLUME /var/lib/opsbot
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 CMD ["opsbot", "health"]
ENTRYPOINT ["tini", "--", "opsbot"]
CMD ["--log-format", "json", "serve"]
