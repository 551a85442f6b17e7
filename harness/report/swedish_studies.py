"""Swedish for what soaks and searches for capacity say, as swedish_sentences has it for a comparison's judge."""

from __future__ import annotations

PHRASES: dict[str, str] = {
    "capacity": "kapacitet",
    "Capacity, baseline against candidate": "Kapacitet, nuvarande mot uppdaterad",
    "The highest rate that each arm serves within its budget: p95 of at most {within_s:g} s, no more than {failing:g} % of logins failing, and no growing queue. Intervals are Student's t over ladders, with the policy's error on each side.": (  # noqa: E501
        "Den högsta takt som varje arm klarar inom budgeten: p95 på högst {within_s:g} s, högst {failing:g} % "
        "misslyckade inloggningar och ingen växande kö. Intervallen är Students t över stegarna, med policyns "
        "felrisk på varje sida."
    ),
    "The rungs": "Pinnarna",
    "p95 of response times on every rung of both arms against the rate, and the change of capacity on each ladder; the tables have the same numbers.": (  # noqa: E501
        "Svarstidernas p95 på varje pinne för båda armarna mot takten, och ändringen av kapaciteten på varje stege; "
        "tabellerna har samma tal."
    ),
    "Left: each mark is one rung, filled where the rate was sustained; the dotted line is the budget, a shaded band the interval of an arm's capacity, a curve the fitted queue. Right: the change of capacity on each ladder, and over all ladders with its interval.": (  # noqa: E501
        "Vänster: varje märke är en pinne, ifylld där takten klarades; den prickade linjen är budgeten, ett skuggat "
        "band är intervallet för en arms kapacitet, en kurva den anpassade kön. Höger: ändringen av kapaciteten på "
        "varje stege, och över alla stegar med sitt intervall."
    ),
    "Predicted response times": "Förutsagda svarstider",
    "One bottleneck of several equal servers with Poisson arrivals, and a fixed time for everything else (Sakasegawa's approximation with Allen and Cunneen's factor); its saturation rate is the one that the ladders showed to be sustained. It assumes that the mix of logins stays the same, that load neither adds nor sheds work (no retries, no scaling out), and that one resource is the limit. Near saturation, times depend on an environment that drifts, and the model errs towards times that are too short.": (  # noqa: E501
        "En flaskhals av flera lika servrar med poissonfördelade ankomster, och en fast tid för allt annat "
        "(Sakasegawas approximation med Allens och Cunneens faktor); mättnadstakten är den som stegarna visade klaras. "
        "Det förutsätter att blandningen av inloggningar är densamma, att last varken ger mer eller mindre arbete "
        "(inga nya försök, ingen utbyggnad), och att en enda resurs är gränsen. Nära mättnaden beror tiderna på en "
        "omgivning som rör sig, och modellen ger snarast för korta tider."
    ),
    "Idle: a login while nobody else logs in. Headroom: the saturation rate over the stated peak. Intervals over ladders in brackets.": (  # noqa: E501
        "Ledigt: en inloggning medan ingen annan loggar in. Marginal: mättnadstakten delad med den angivna toppen. "
        "Intervall över stegarna inom parentes."
    ),
    "Every rung": "Varje pinne",
    "Coarse sweep: run": "Grovt svep: körning",
    "Fine ladder: run": "Fin stege: körning",
    "logins/s": "inloggningar/s",
    "served/s": "klarade/s",
    "state": "tillstånd",
    "Made by authgate. The same numbers, for machines:": "Gjord av authgate. Samma tal, för maskiner:",
    "The runs are in the same folder.": "Körningarna ligger i samma mapp.",
    "arm": "arm",
    "capacity within budget": "kapacitet inom budgeten",
    "95 % interval": "95 %-intervall",
    "of the stated peak": "av den angivna toppen",
    "predicted": "förutsagt",
    "idle": "ledigt",
    "saturation": "mättnad",
    "headroom": "marginal",
    "{arm} sustained": "{arm} klarad",
    "{arm} failed": "{arm} ej klarad",
    "{arm} unknown": "{arm} okänt",
    "stated peak": "angiven topp",
    "logins a second": "inloggningar i sekunden",
    "p95 of response times on each rung": "svarstidernas p95 på varje pinne",
    "all": "alla",
    "ladder": "stege",
    "change of capacity, %": "ändring av kapaciteten, %",
    "Against the margin (dashed)": "Mot marginalen (streckad)",
}
"""Of the page of a search for capacity, where swedish.PHRASES has none."""

SENTENCES: dict[str, str] = {
    "mean at {rate}/s": "medel vid {rate}/s",
    "p95 at {rate}/s": "p95 vid {rate}/s",
    # A soak.
    "No leak was seen: over {time} the median login was shown to grow by at most {high}, where {margin} is allowed, and every other growth is within its limit too.": (  # noqa: E501
        "Ingen läcka syntes: under {time} visades medianinloggningen växa med högst {high}, där {margin} är tillåtet, "
        "och all annan tillväxt håller sig också inom sin gräns."
    ),
    "every growth's upper bound lies below its margin after {time}": (
        "efter {time} ligger övre gränsen för all tillväxt under sin marginal"
    ),
    "This soak of {time} could not tell whether logins grow slower as the servers age.": (
        "Långtidsprovet på {time} kunde inte visa om inloggningar blir långsammare när servrarna åldras."
    ),
    "{servers} grow worse the longer they run: {harm}; it grows most in the step {step}.": (
        "{servers} blir sämre ju längre de går: {harm}; det växer mest i steget {step}."
    ),
    "{servers} grow worse the longer they run: {harm}.": "{servers} blir sämre ju längre de går: {harm}.",
    "Do not deploy: the updated servers": "Driftsätt inte: de uppdaterade servrarna",
    "The current servers": "De nuvarande servrarna",
    "{harm}, and slow logins went from {start} to {end}": (
        "{harm}, och andelen långsamma inloggningar gick från {start} till {end}"
    ),
    "{harm}, and failed logins went from {start} to {end}": (
        "{harm}, och andelen misslyckade inloggningar gick från {start} till {end}"
    ),
    "slow logins went from {start} to {end}": "andelen långsamma inloggningar gick från {start} till {end}",
    "failed logins went from {start} to {end}": "andelen misslyckade inloggningar gick från {start} till {end}",
    "half of all logins take {longer} each minute, twice as long in {time}": (
        "hälften av alla inloggningar tar {longer} för varje minut, dubbelt så lång tid om {time}"
    ),
    "1 login in 20 takes {longer} each minute, twice as long in {time}": (
        "1 inloggning av 20 tar {longer} för varje minut, dubbelt så lång tid om {time}"
    ),
    "{metric}: grows, but within its margin: {figures}": "{metric}: växer, men inom sin marginal: {figures}",
    "{start} → {end} over {time}, {change}, bounds {low} to {high}, margin {margin}; {more}": (
        "{start} → {end} under {time}, {change}, gränser {low} till {high}, marginal {margin}; {more}"
    ),
    "{metric}: {start} → {end} over {time}, {change}, bounds {low} to {high}, margin {margin}; {more}": (
        "{metric}: {start} → {end} under {time}, {change}, gränser {low} till {high}, marginal {margin}; {more}"
    ),
    "{text}; it is too close to its margin for any practical soak to decide it": (
        "{text}; det ligger för nära marginalen för att ett rimligt långtidsprov ska avgöra det"
    ),
    "{text}; a soak of about {time} would decide it": "{text}; ett långtidsprov på omkring {time} skulle avgöra det",
    "{text}; twice as slow in {time}, if it continues": "{text}; dubbelt så långsamt om {time}, om det fortsätter",
    "{text}; {share} after a day, if it continues": "{text}; {share} efter ett dygn, om det fortsätter",
    "the soak ended early: {why}": "långtidsprovet slutade i förtid: {why}",
    "before its time": "innan tiden var ute",
    "{share} of logins failed, {margin} may: with so many failures nothing can be said about growth": (
        "{share} av inloggningarna misslyckades, {margin} får: med så många fel går det inte att säga något om "
        "tillväxten"
    ),
    "login p50 growth: {why}": "login p50 growth: {why}",  # a metric's name stays
    "A cold start, which is not counted as growth: at first logins took {longer}, against the later trend, and 63 % of that was gone after {time}.": (  # noqa: E501
        "En kallstart, som inte räknas som tillväxt: i början tog inloggningar {longer} än den senare trenden, och "
        "63 % av det var borta efter {time}."
    ),
    "One arm was measured alone: a change of its surroundings over the hours of the soak looks like growth. A soak of the other arm (--arm {arm}) would show it.": (  # noqa: E501
        "En arm mättes ensam: en förändring i omgivningen under provets timmar ser ut som tillväxt. Ett långtidsprov "
        "av den andra armen (--arm {arm}) skulle visa det."
    ),
    "{fault}; this can only have made the {arm} look better": "{fault}; det kan bara ha fått {arm} att se bättre ut",
    "{arm}: there is no record of how its load was generated": "{arm}: det finns inga uppgifter om hur lasten skapades",
    "{held} whole blocks with logins, {needed} are needed": "{held} hela block med inloggningar, {needed} behövs",
    "too few logins: a block holds {held}, {statistic} needs {needed}": (
        "för få inloggningar: ett block har {held}, {statistic} behöver {needed}"
    ),
    "{statistic} is the time-out of {low}: no growth could be seen": (
        "{statistic} är tidsgränsen på {low}: ingen tillväxt kunde synas"
    ),
    "{change} % a minute": "{change} % i minuten",
    "{change} pp an hour": "{change} procentenheter i timmen",
    "{change} days": "{change} dygn",
    # A search for capacity.
    "The update keeps the capacity: {served}.": "Kapaciteten är kvar med uppdateringen: {served}.",
    "The update costs capacity: {served}.": "Uppdateringen kostar kapacitet: {served}.",
    "Whether the update costs capacity is not shown: {served}.": (
        "Det är inte visat om uppdateringen kostar kapacitet: {served}."
    ),
    "The measurement is not sound, so it says nothing about capacity.": (
        "Mätningen höll inte, så den säger ingenting om kapaciteten."
    ),
    "the candidate serves {after} within its budget, the baseline {before}": (
        "de uppdaterade servrarna klarar {after} inom budgeten, de nuvarande {before}"
    ),
    "at least {low} logins/s": "minst {low} inloggningar/s",
    "below {high} logins/s": "under {high} inloggningar/s",
    "{low} to {high} logins/s": "{low} till {high} inloggningar/s",
    "{low} logins/s": "{low} inloggningar/s",
    "not known": "okänt",
    "{text}; more --ladders would narrow the bounds": "{text}; fler stegar (--ladders) ger snävare gränser",
    "capacity changed by {change} (bounds {ends}), {margin} is allowed": (
        "kapaciteten ändrades med {change} (gränser {ends}), {margin} är tillåtet"
    ),
    "capacity changed (bounds {ends}), {margin} is allowed": (
        "kapaciteten ändrades (gränser {ends}), {margin} är tillåtet"
    ),
    "{low} to {high}": "{low} till {high}",
    "at most {high}": "högst {high}",
    "at least {low}": "minst {low}",
    "{arm}: on {count} rungs the load generator may be the limit, first at {rate} logins/s: {why}": (
        "{arm}: på {count} pinnar kan lastgeneratorn vara gränsen, först vid {rate} inloggningar/s: {why}"
    ),
    "{arm}: its capacity was not reached on every ladder up to {rate} logins/s; raise --to": (
        "{arm}: kapaciteten nåddes inte på varje stege upp till {rate} inloggningar/s; höj --to"
    ),
    "{arm}: it failed the lowest rung; lower --from": "{arm}: den klarade inte lägsta pinnen; sänk --from",
    "Logins were slower than the budget allows while the queue was steady: the budget sets the capacity, not saturation.": (  # noqa: E501
        "Inloggningar var långsammare än budgeten tillåter medan kön var stadig: budgeten sätter kapaciteten, inte "
        "mättnad."
    ),
    "The {arm} is shown not to serve the stated peak of {peak} logins/s within its budget.": (
        "Det är visat att {arm} inte klarar den angivna toppen på {peak} inloggningar/s inom budgeten."
    ),
    "Nothing is predicted of the {arm}: {why}.": "Inget förutsägs för {arm}: {why}.",
    "no saturation was shown up to {rate} logins/s": "ingen mättnad visades upp till {rate} inloggningar/s",
    "{count} rungs were sustained below saturation, {needed} are needed": (
        "{count} pinnar klarades under mättnaden, {needed} behövs"
    ),
    "the model misses the measured times by {error} %": "modellen missar de uppmätta tiderna med {error} %",
    "only {count} logins, {needed} are needed": "bara {count} inloggningar, {needed} behövs",
    "p95 {low}, {high} allowed; {more}": "p95 {low}, {high} tillåtet; {more}",
    "p95 {low}, {high} allowed": "p95 {low}, {high} tillåtet",
    "{count} of {all} logins failed, {share} may; {more}": (
        "{count} av {all} inloggningar misslyckades, {share} får; {more}"
    ),
    "{count} of {all} logins failed, {share} may": "{count} av {all} inloggningar misslyckades, {share} får",
    "response times grew by {low} a second; {more}": "svarstider växte med {low} i sekunden; {more}",
    "response times grew by {low} a second": "svarstider växte med {low} i sekunden",
    "sustained": "klarad",
    "{low} or more": "{low} eller mer",
    "at least {low} times": "minst {low} gånger",
    "{low} times": "{low} gånger",
    "{low} logins/s ({ends})": "{low} inloggningar/s ({ends})",
    "{low} ({ends})": "{low} ({ends})",
    "({ends})": "({ends})",
    "saturated": "mättad",
}
