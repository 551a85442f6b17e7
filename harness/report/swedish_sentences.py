"""Swedish for what the judge says: English sentences with holes, and what they are in Swedish.

``{name}`` stands for anything, which is translated likewise; the first sentence that fits the whole text is taken, so
that particular ones stand before general ones. What fits none stays English: findings of other tools' files, and what
servers and systems say themselves.
"""

from __future__ import annotations

SENTENCES: dict[str, str] = {
    # The verdict in one sentence.
    "Do not deploy: with this update {harm}.": "Driftsätt inte: med uppdateringen {harm}.",
    "Do not deploy: the updated servers deny logins that the current ones accept.": (
        "Driftsätt inte: de uppdaterade servrarna nekar inloggningar som de nuvarande godtar."
    ),
    "Do not deploy yet: this run could not show whether logins stay within their margins ({harm}, though this is not yet certain).": (  # noqa: E501
        "Driftsätt inte än: körningen kunde inte visa om inloggningarna håller sig inom marginalerna ({harm}, fast det "
        "är inte säkert än)."
    ),
    "Do not deploy yet: this run could not show whether logins stay within their margins.": (
        "Driftsätt inte än: körningen kunde inte visa om inloggningarna håller sig inom marginalerna."
    ),
    "This update may be deployed: {shown}.": "Uppdateringen får driftsättas: {shown}.",
    "No verdict: the measurement itself was not sound ({fault}), so it says nothing about the update.": (
        "Inget utslag: själva mätningen höll inte ({fault}), så den säger ingenting om uppdateringen."
    ),
    "No verdict: the measurement itself was not sound ({fault}), so it says nothing about the servers.": (
        "Inget utslag: själva mätningen höll inte ({fault}), så den säger ingenting om servrarna."
    ),
    "No verdict: the measurement itself was not sound ({fault}), so it says nothing about how the servers age.": (
        "Inget utslag: själva mätningen höll inte ({fault}), så den säger ingenting om hur servrarna åldras."
    ),
    "No verdict: logins were denied, and the run stopped so that no account is locked; this says nothing about the update.": (  # noqa: E501
        "Inget utslag: inloggningar nekades, och körningen stoppades så att inget konto låses; det säger ingenting om "
        "uppdateringen."
    ),
    "Nothing is judged: this run measured the {arm} alone.": "Inget bedöms: körningen mätte bara {arm}.",
    # What users would notice.
    "{harm}; {how} of the added time is in the step {step}": (
        "{harm}; {how} av den tillkommande tiden ligger i steget {step}"
    ),
    "{harm}; most time is lost in tries that were given up, and then in the step {step}": (
        "{harm}; mest tid går åt i avbrutna försök, och sedan i steget {step}"
    ),
    "{first}, and {second} of logins would be slow ({means}) instead of {baseline}": (
        "{first}, och {second} av inloggningarna skulle vara långsamma ({means}) i stället för {baseline}"
    ),
    "{candidate} of logins would fail instead of {baseline}, and {times}": (
        "skulle {candidate} av inloggningarna misslyckas i stället för {baseline}, och {times}"
    ),
    "{candidate} of logins would fail instead of {baseline}": (
        "skulle {candidate} av inloggningarna misslyckas i stället för {baseline}"
    ),
    "{candidate} of logins would be slow ({means}) instead of {baseline}": (
        "skulle {candidate} av inloggningarna vara långsamma ({means}) i stället för {baseline}"
    ),
    "over {time} and over {times} times a usual login": "över {time} och över {times} gånger en vanlig inloggning",
    "the step {step} of a login would take {candidate} instead of {baseline}": (
        "skulle steget {step} i en inloggning ta {candidate} i stället för {baseline}"
    ),
    "{who} would take {candidate} instead of {baseline} {at}, about {longer}": (
        "skulle {who} ta {candidate} i stället för {baseline} {at}, omkring {longer}"
    ),
    "logins grow slower the longer the servers run, by {growth}": (
        "blir inloggningar långsammare ju längre servrarna går, med {growth}"
    ),
    "1 login in 20 would take more than the {time} that are allowed": (
        "skulle 1 inloggning av 20 ta mer än de {time} som tillåts"
    ),
    "logins change on the wire: {what}": "ändras inloggningarna på nätet: {what}",
    "logins failed for a time, as in an outage, while the current servers served them": (
        "misslyckades inloggningar en tid, som vid ett avbrott, medan de nuvarande servrarna betjänade dem"
    ),
    "{harm}, at loads above the expected peak": "{harm}, vid last över den väntade toppen",
    "logins were shown to take at most {longer} {at}, where {allowed} is allowed{rest}": (
        "inloggningar visades ta högst {longer} {at}, där {allowed} tillåts{rest}"
    ),
    "logins were shown to take at most {longer} {at}, where {allowed} is allowed": (
        "inloggningar visades ta högst {longer} {at}, där {allowed} tillåts"
    ),
    "logins were shown to take no longer {at}, where {allowed} is allowed{rest}": (
        "inloggningar visades inte ta längre tid {at}, där {allowed} tillåts{rest}"
    ),
    "logins were shown to take no longer {at}, where {allowed} is allowed": (
        "inloggningar visades inte ta längre tid {at}, där {allowed} tillåts"
    ),
    ", and {count} other metrics are within their limits too{rest}": (
        ", och {count} andra mått ligger också inom sina gränser{rest}"
    ),
    ", and {count} other metrics are within their limits too": (
        ", och {count} andra mått ligger också inom sina gränser"
    ),
    ", and 1 other metric is within its limit too{rest}": ", och 1 annat mått ligger också inom sin gräns{rest}",
    ", and 1 other metric is within its limit too": ", och 1 annat mått ligger också inom sin gräns",
    "; {count} could not be judged{rest}": "; {count} kunde inte bedömas{rest}",
    "; {count} could not be judged": "; {count} kunde inte bedömas",
    "; whether logins grow slower as the servers run was not tested": (
        "; om inloggningar blir långsammare ju längre servrarna går prövades inte"
    ),
    "at the median (half of all logins)": "vid medianen (hälften av alla inloggningar)",
    "at the 95th percentile (1 login in 20)": "vid 95:e percentilen (1 inloggning av 20)",
    "at the 99th percentile (1 login in 100)": "vid 99:e percentilen (1 inloggning av 100)",
    "nearly all": "nästan all",
    "the largest part": "den största delen",
    "just as long": "lika länge",
    "{size} longer": "{size} längre",
    "{size} shorter": "{size} kortare",
    "{times} times as long": "{times} gånger så länge",
    "first logins": "första inloggningar",
    "repeat logins": "upprepade inloggningar",
    "cold logins": "kalla inloggningar",
    "warm logins": "varma inloggningar",
    "logins of {cohort}": "inloggningar av {cohort}",
    "logins": "inloggningar",
    # Figures.
    "not in {time}": "inte på {time}",
    "over ×{factor}": "över ×{factor}",
    "{pp} pp an hour": "{pp} pp i timmen",
    "{percent} % a minute": "{percent} % i minuten",
    "{added} ({low} to {high})": "{added} ({low} till {high})",
    "{low} to {high}": "{low} till {high}",
    "≥ {share} %; arms alike within {alike}": "≥ {share} %; armarna lika inom {alike}",
    "baseline ≤ {share}": "nuvarande ≤ {share}",
    # Reasons.
    "the upper bound of every metric that was judged lies below its margin after {pairs} pairs": (
        "övre gränsen för varje bedömt mått ligger under dess marginal efter {pairs} par"
    ),
    "{label}: within its margin, yet slower: {figures}": "{label}: inom sin marginal, men långsammare: {figures}",
    "{label}: too few pairs, or too few logins in a block, to test for it": (
        "{label}: för få par, eller för få inloggningar i ett block, för att pröva det"
    ),
    "too few pairs, or too few logins in a block, to test for it": (
        "för få par, eller för få inloggningar i ett block, för att pröva det"
    ),
    "{label}: bounds {low} to {high}, margin {margin}; {more}": (
        "{label}: gränser {low} till {high}, marginal {margin}; {more}"
    ),
    "the candidate's p95 is at least {low}, {margin} is allowed": (
        "den uppdaterades p95 är minst {low}, {margin} tillåts"
    ),
    "p = {p} over {minutes} min in {logins}": "p = {p} över {minutes} min i {logins}",
    "p = {p} over {minutes} min": "p = {p} över {minutes} min",
    "{label}: {baseline} → {candidate}, change {change}, bounds {low} to {high}, margin {margin}; {more}": (
        "{label}: {baseline} → {candidate}, ändring {change}, gränser {low} till {high}, marginal {margin}; {more}"
    ),
    "{label}: {baseline} → {candidate}, change {change}, bounds {low} to {high}, margin {margin}": (
        "{label}: {baseline} → {candidate}, ändring {change}, gränser {low} till {high}, marginal {margin}"
    ),
    "{label}: {baseline} → {candidate}, change {change}, margin {margin}; {more}": (
        "{label}: {baseline} → {candidate}, ändring {change}, marginal {margin}; {more}"
    ),
    "{label}: change {change}; {more}": "{label}: ändring {change}; {more}",
    "{baseline} → {candidate}, change {change}, bounds {low} to {high}, margin {margin}": (
        "{baseline} → {candidate}, ändring {change}, gränser {low} till {high}, marginal {margin}"
    ),
    "open": "öppen",
    "Both arms were slower every {period} s, or a whole fraction of that, as beside a job on a host that they share (a pair of blocks takes {pair} s): it explains {share} % of the variance between blocks. What met one arm more than the other is taken out of the changes of times.": (  # noqa: E501
        "Båda armarna var långsammare med {period} s mellanrum, eller ett helt bråk av det, som bredvid ett jobb på en "
        "värd som de delar (ett par block tar {pair} s): det förklarar {share} % av blockens varians. Det som träffade "
        "den ena armen mer än den andra är borträknat från ändringarna av tider."
    ),
    "{few} of {pairs} pairs hold 90 % of what differs, {there} of them on the baseline; {more}": (
        "{few} av {pairs} par har 90 % av skillnaden, {there} av dem på de nuvarande servrarna; {more}"
    ),
    "about {pairs} more pairs would decide it": "omkring {pairs} par till skulle avgöra det",
    "about 1 more pair would decide it": "omkring 1 par till skulle avgöra det",
    "a single difference says nothing about the noise": "en enda skillnad säger inget om bruset",
    "it is too close to its margin for any practical number of pairs to decide it": (
        "det ligger för nära marginalen för att fler par i praktiken ska avgöra det"
    ),
    "arms measured one after the other can't decide it, however many pairs they have": (
        "armar som mätts en efter en kan inte avgöra det, hur många par de än har"
    ),
    "the run ended early: {why}": "körningen slutade i förtid: {why}",
    "interrupted by the user": "avbruten av användaren",
    "the run was killed before it could say why": "körningen dödades innan den kunde säga varför",
    "the plan was not executed in its time": "planen hanns inte med i tid",
    "a PASS needs {needed} pairs, this run has {pairs}": "PASS kräver {needed} par, körningen har {pairs}",
    "a PASS needs {needed} s of the candidate's life, so that a leak can show; this run has {age} s": (
        "PASS kräver {needed} s av uppdateringens livstid, så att en läcka kan visa sig; körningen har {age} s"
    ),
    "a verdict needs both arms: the {other} was not measured": "ett utslag kräver båda armarna: {other} mättes inte",
    "no login latency could be judged": "ingen inloggningstid kunde bedömas",
    "nothing above the expected peak could be judged yet": "inget över den väntade toppen kunde bedömas än",
    "the arms were measured one after the other, so that drift can't be told from the update": (
        "armarna mättes en efter en, så förändringar i omgivningen kan inte skiljas från uppdateringen"
    ),
    # What to do.
    "Measure again for longer: about {pairs} more pairs of blocks ({time}) at this noise, {all} in all (blocks.pairs in the scenario). {more}": (  # noqa: E501
        "Mät igen, längre: omkring {pairs} blockpar till ({time}) vid det här bruset, {all} sammanlagt (blocks.pairs i "
        "scenariot). {more}"
    ),
    "Measure again for longer: about {pairs} more pairs of blocks ({time}) at this noise, {all} in all (blocks.pairs in the scenario).": (  # noqa: E501
        "Mät igen, längre: omkring {pairs} blockpar till ({time}) vid det här bruset, {all} sammanlagt (blocks.pairs i "
        "scenariot)."
    ),
    "{count} too close to the margin for more pairs to decide: find out where the added time comes from, or lower the noise (authgate doctor, authgate calibrate).": (  # noqa: E501
        "{count} för nära marginalen för att fler par ska avgöra det: ta reda på var den tillkommande tiden uppstår, "
        "eller minska bruset (authgate doctor, authgate calibrate)."
    ),
    "1 metric lies": "1 mått ligger",
    "{count} metrics lie": "{count} mått ligger",
    "Measure both arms in one run (authgate gate), or the {other} alone (authgate run --arm {arm}) and then compare the two runs (authgate compare BASELINE CANDIDATE).": (  # noqa: E501
        "Mät båda armarna i en körning (authgate gate), eller bara {other} (authgate run --arm {arm}), och jämför "
        "sedan de två körningarna (authgate compare BASELINE CANDIDATE)."
    ),
    "Measure both arms in one run (authgate gate): arms measured one after the other can't decide it.": (
        "Mät båda armarna i en körning (authgate gate): armar som mätts en efter en kan inte avgöra det."
    ),
    "Deploy it as your change process says, and keep this report with the change.": (
        "Driftsätt enligt er ändringsrutin, och spara rapporten med ändringen."
    ),
    "Keep the present servers. Look at the step that is blamed and at what changed on the wire, mend it, and run the gate again.": (  # noqa: E501
        "Behåll de nuvarande servrarna. Titta på steget som pekas ut och på vad som ändrats på nätet, åtgärda det, och "
        "kör grinden igen."
    ),
    "Mend what is listed as a reason, and measure again: this run says nothing about the update.": (
        "Åtgärda det som anges som skäl, och mät igen: körningen säger ingenting om uppdateringen."
    ),
    "Measure again for longer, with the update kept out until then.": "Mät igen, längre, och vänta med uppdateringen.",
    "Soak again for longer, as the reasons say, with the update kept out until then.": (
        "Gör ett längre långtidsprov, som skälen säger, och vänta med uppdateringen."
    ),
    # Caveats and facts.
    "Measured on a lab's servers: the numbers show how the method works and what kind of fault it is. They are not those of a hospital's domain controllers.": (  # noqa: E501
        "Mätt på ett labbs servrar: talen visar hur metoden fungerar och vilket slags fel det är. De är inte ett "
        "sjukhus domänkontrollanters."
    ),
    "Long-term keys were derived before the run, so string-to-key (which each workstation computes itself) is not in the figures.": (  # noqa: E501
        "Långtidsnycklar härleddes före körningen, så string-to-key (som varje arbetsstation själv räknar ut) ingår "
        "inte i talen."
    ),
    "Smart cards were files: the time that a card's chip takes to sign is not in the figures.": (
        "Smartkorten var filer: tiden som ett korts krets tar för att signera ingår inte i talen."
    ),
    "Capacity above the expected peak was not tested: a loss of capacity need not show at ordinary load.": (
        "Kapaciteten över den väntade toppen prövades inte: förlorad kapacitet behöver inte synas vid vanlig last."
    ),
    "The policy is a quick one: it may pass before a leak could show.": (
        "Policyn är en snabb: den kan godkänna innan en läcka hunnit visa sig."
    ),
    "Not judged (each finding says why): {names}.": "Ej bedömt (varje resultat säger varför): {names}.",
    "{names} and {more} more": "{names} och {more} till",
    "Two deployments of the same bits differ a little. By how much at this site is not known, because it was never calibrated; it is taken as 0 (authgate calibrate --same-bits measures it).": (  # noqa: E501
        "Två installationer av samma program skiljer sig lite. Hur mycket är inte känt här, eftersom det aldrig "
        "kalibrerats; det räknas som 0 (authgate calibrate --same-bits mäter det)."
    ),
    "Logins on the arms differ on the wire in {count} ways, the most severe: {what}.": (
        "Inloggningar mot armarna skiljer sig på nätet på {count} sätt, det allvarligaste: {what}."
    ),
    "Logins on the arms differ on the wire: {what}.": ("Inloggningar mot armarna skiljer sig på nätet: {what}."),
    "{text}: {baseline} → given up after {time} in {logins}, on average; {share} of all added time": (
        "{text}: {baseline} → avbrutet efter {time} i {logins}, i medeltal; {share} av all tillkommande tid"
    ),
    "{text}: {baseline} → {candidate} in {logins}, on average; {share} of all added time": (
        "{text}: {baseline} → {candidate} i {logins}, i medeltal; {share} av all tillkommande tid"
    ),
    "{text}: {baseline} → {candidate} in {logins}, on average": (
        "{text}: {baseline} → {candidate} i {logins}, i medeltal"
    ),
    "{text}: {start} → {end} over the soak, on average": "{text}: {start} → {end} under provet, i medeltal",
    "{pairs} pairs, {minutes} minutes of load": "{pairs} par, {minutes} minuters last",
    "{blocks} blocks, {minutes} minutes of load": "{blocks} block, {minutes} minuters last",
    "blocks of {length} s, {count} of each arm in a pair (above the peak 1 of {long} s), {laid}": (
        "block om {length} s, {count} av vardera armen i ett par (över toppen 1 om {long} s), {laid}"
    ),
    "blocks of {length} s, {count} of each arm in a pair, {laid}": (
        "block om {length} s, {count} av vardera armen i ett par, {laid}"
    ),
    "blocks of {length} s, {laid}": "block om {length} s, {laid}",
    "interleaved in pairs, random order, {pairs} pairs at most": (
        "växelvis i par, slumpmässig ordning, högst {pairs} par"
    ),
    "one arm after the other, {pairs} pairs at most": "en arm efter den andra, högst {pairs} par",
    "of the {arm} alone, back to back, {count} in all": "bara {arm}, utan avbrott, {count} sammanlagt",
    "the first pair of blocks, and {trim}": "det första blockparet, och {trim}",
    "the first {count} pairs of blocks, and {trim}": "de första {count} blockparen, och {trim}",
    "the first {trim} s of each block (above the peak {above} s)": (
        "de första {trim} s av varje block (över toppen {above} s)"
    ),
    "the first {trim} s of each block": "de första {trim} s av varje block",
    "logins tried again": "inloggningar som försöktes igen",
    "tries per login": "försök per inloggning",
    "of these, given up in {step}": "av dessa avbrutna i {step}",
    "Nothing. {method}": "Inget. {method}",
    "Not known: no single logins of this run were recorded on both arms.": (
        "Okänt: inga enskilda inloggningar i körningen sparades för båda armarna."
    ),
    "Single logins on each arm by the same user, before any load, without statistics: requests and answers, encryption types, sizes, names, codes. ✗ marks what the policy forbids. A larger PAC shows as a larger ticket. Shares are of the load's own logins.": (  # noqa: E501
        "Enskilda inloggningar mot varje arm av samma användare, före all last, utan statistik: frågor och svar, "
        "krypteringstyper, storlekar, namn, koder. ✗ märker det som policyn förbjuder. En större PAC syns som en "
        "större biljett. Andelar är av lastens egna inloggningar."
    ),
    "one arm never reached it": "en arm nådde det aldrig",
}
