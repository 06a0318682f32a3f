# One image for ingest, alerts, console and the simulated market: what differs is the command.
FROM python:3.11.14-slim-bookworm

WORKDIR /opt/jangteo
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/opt/jangteo/.venv/bin:$PATH

COPY requirements/run.txt requirements/run.txt
RUN python -m venv .venv && pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e .

# The compose file runs it as whoever made the secrets, so that these stay readable by their owner alone.
USER 65534:65534
ENTRYPOINT ["jangteo"]
CMD ["--help"]
