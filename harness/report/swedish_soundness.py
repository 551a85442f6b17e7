"""Swedish for why a measurement was not sound, as swedish_sentences has it for what the judge says of a sound one."""

from __future__ import annotations

SENTENCES: dict[str, str] = {
    "{reason} (the worst of {count} workers)": "{reason} (den sämsta av {count} lastarbetare)",
    "{arm}: its load worker was lost": "{arm}: dess lastarbetare gick förlorad",
    "{arm}: logins were sent late by {value} ms at the 99th percentile, {limit} allowed": (
        "{arm}: inloggningar sändes {value} ms för sent vid 99:e percentilen, {limit} tillåts"
    ),
    "{arm}: steps waited for a thread {value} ms at the 99th percentile, {limit} allowed": (
        "{arm}: steg väntade på en tråd i {value} ms vid 99:e percentilen, {limit} tillåts"
    ),
    "{arm}: the event loop stalled for {value} ms at the 99th percentile, {limit} allowed": (
        "{arm}: händelseslingan stod still i {value} ms vid 99:e percentilen, {limit} tillåts"
    ),
    "{arm}: writing to disk held it up for {value} ms at a time, {limit} allowed": (
        "{arm}: skrivning till disk uppehöll den i {value} ms åt gången, {limit} tillåts"
    ),
    "{arm}: the load worker used {value} % of a processor core, {limit} allowed": (
        "{arm}: lastarbetaren använde {value} % av en processorkärna, {limit} tillåts"
    ),
    "{arm}: {sent} of {planned} planned logins were sent, {needed} % are needed": (
        "{arm}: {sent} av {planned} planerade inloggningar sändes, {needed} % krävs"
    ),
    "{arm}: {waits} of {planned} logins waited while all seats were taken, {share} % may": (
        "{arm}: {waits} av {planned} inloggningar väntade medan alla platser var upptagna, {share} % får"
    ),
    "{arm}: the load generator was silent for {value} s, {limit} allowed": (
        "{arm}: lastgeneratorn var tyst i {value} s, {limit} tillåts"
    ),
    "{arm}: a worker's clock may be wrong by {value} ms, {limit} allowed": (
        "{arm}: en lastarbetares klocka kan gå fel med {value} ms, {limit} tillåts"
    ),
    "{arm}: one of its {count} load workers was lost": "{arm}: en av dess {count} lastarbetare gick förlorad",
}
