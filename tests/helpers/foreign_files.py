"""Files as JMeter, k6 and Locust write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

EPOCH_S = 1_750_000_000
JTL_HEADER = (
    "timeStamp,elapsed,label,responseCode,responseMessage,threadName,dataType,success,failureMessage,bytes,sentBytes,"
    "grpThreads,allThreads,URL,Latency,IdleTime,Connect"
)
K6_HEADER = (
    "metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,proto,scenario,"
    "service,status,subproto,tls_version,url,extra_tags,metadata"
)


class Row(NamedTuple):
    """One sample: start in s from EPOCH_S, time in ms, success, thread."""

    start_s: float
    elapsed_ms: float
    label: str = "login"
    ok: bool = True
    thread: int = 1


def jtl(rows: list[Row]) -> str:
    lines = [JTL_HEADER]
    for row in rows:
        at = round((EPOCH_S + row.start_s) * 1000)
        ok = "200,OK" if row.ok else "401,Unauthorized"
        lines.append(
            f"{at},{row.elapsed_ms:.0f},{row.label},{ok},Clinicians 1-{row.thread},text,{str(row.ok).lower()},,2781,"
            f"133,1,1,https://sso.test/{row.label},354,0,27"
        )
    return "\n".join(lines) + "\n"


def jtl_row(
    start_s: float, elapsed_ms: float, label: str, thread: int = 1, held: int | None = None, idle_ms: int = 0
) -> str:
    """A row of JMeter's CSV; with ``held`` that of a Transaction Controller which sums up so many samples."""
    message = "OK" if held is None else f'"Number of samples in transaction : {held}, number of failing samples : 0"'
    at = round((EPOCH_S + start_s) * 1000)
    return f"{at},{elapsed_ms:.0f},{label},200,{message},Users 1-{thread},text,true,,0,0,1,1,null,0,{idle_ms},0"


def jtl_xml(rows: list[Row]) -> str:
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<testResults version="1.2">']
    for row in rows:
        at = round((EPOCH_S + row.start_s) * 1000)
        lines.append(
            f'<httpSample t="{row.elapsed_ms:.0f}" lt="0" ts="{at}" s="{str(row.ok).lower()}" lb="{row.label}" '
            f'rc="200" rm="OK" tn="Clinicians 1-{row.thread}" dt="text"/>'
        )
    return "\n".join([*lines, "</testResults>"]) + "\n"


def k6_csv(rows: list[Row], time: Callable[[float], str] = lambda s: str(int(s))) -> str:
    lines = [K6_HEADER]
    for row in rows:
        end = time(EPOCH_S + row.start_s + row.elapsed_ms / 1000)
        ok = ",,,true" if row.ok else ",,1401,false"
        rest = f"{ok},,POST,{row.label},HTTP/1.1,default,,{'200' if row.ok else '401'},,tls1.3,https://sso.test/,,"
        lines.append(f"http_reqs,{end},1.000000,{rest}")
        lines.append(f"http_req_duration,{end},{row.elapsed_ms:f},{rest}")
        lines.append(f"http_req_waiting,{end},{row.elapsed_ms / 2:f},{rest}")
        lines.append(f"http_req_failed,{end},{float(not row.ok):f},{rest}")
    return "\n".join(lines) + "\n"


def k6_point(metric: str, row: Row, group: str = "", vu: bool = False) -> str:
    at = datetime.fromtimestamp(EPOCH_S, UTC) + timedelta(seconds=row.start_s, milliseconds=row.elapsed_ms)
    data = {
        "time": at.isoformat(timespec="microseconds").replace("+00:00", "000Z"),
        "value": row.elapsed_ms,
        "tags": {"group": group, "method": "POST", "name": row.label, "status": "200" if row.ok else "401",
                 "expected_response": str(row.ok).lower(), "url": "https://sso.test/", "scenario": "default"},
    }  # fmt: skip
    if metric == "group_duration":
        data["tags"] = {"group": group, "scenario": "default"}
    if vu:
        data["metadata"] = {"vu": str(row.thread)}
    return json.dumps({"metric": metric, "type": "Point", "data": data})


def k6_json(rows: list[Row]) -> str:
    lines = [
        '{"type":"Metric","data":{"name":"http_req_duration","type":"trend","contains":"time","thresholds":["avg<1"],'
        '"submetrics":null},"metric":"http_req_duration"}',
        '{"type":"Point","data":{"time":"2025-06-15T15:06:40.625742514+02:00","value":5,"tags":null},"metric":"vus"}',
    ]
    return "\n".join([*lines, *(k6_point("http_req_duration", row) for row in rows)]) + "\n"


def locust_csv(rows: list[Row]) -> str:
    lines = ["start_time,request_type,name,response_time,response_length,exception"]
    for row in rows:
        why = "" if row.ok else '"HTTPError(\'401 Client Error: Unauthorized\', ""x"")"'
        lines.append(f"{EPOCH_S + row.start_s:.6f},POST,{row.label},{row.elapsed_ms},2781,{why}")
    return "\n".join(lines) + "\n"


WRITERS = {"jtl": jtl, "xml": jtl_xml, "k6-csv": k6_csv, "k6-json": k6_json, "locust-csv": locust_csv}


SOME = [Row(0.25, 120), Row(1.5, 80, ok=False), Row(2.75, 4500, label="search", thread=2)]


def stretches(order: str, length_s: float = 15.0, rate: float = 10.0) -> tuple[np.ndarray, np.ndarray]:
    """Starts of both arms by the letters' order: A, B, D for both at once, or - for neither."""
    rng = np.random.default_rng(7)
    arms: tuple[list[float], list[float]] = ([], [])
    for place, letter in enumerate(order):
        for arm in range(2):
            if letter == "AB"[arm] or letter == "D":
                arms[arm].extend(np.sort(rng.uniform(0, length_s, int(length_s * rate))) + place * length_s)
    return np.array(arms[0]), np.array(arms[1])
