"""deploy/prometheus/prometheus.yml: how a Prometheus on this machine scrapes what `make start` starts."""

from kith_local.ports import BASE, OFFSETS

_METRICS = "metrics_"
_HEAD = """\
# Scrapes the processes of `make start`. Made from their ports (`make contracts`); docs/observability.md says how to
# scrape others. `honor_labels`: some metrics have a label of their own, `service`, that a scraper would rename.
global:
  scrape_interval: 15s
  evaluation_interval: 15s
rule_files: [kith.rules.yml]
scrape_configs:
"""


def configuration() -> str:
    return _HEAD + "".join(
        f"  - job_name: kith-{name.removeprefix(_METRICS).replace('_', '-')}\n"
        "    honor_labels: true\n"
        f'    static_configs: [{{targets: ["127.0.0.1:{BASE + offset}"]}}]\n'
        for name, offset in OFFSETS.items()
        if name.startswith(_METRICS)
    )
