"""Swedish: the phrases of the reports by their English.

A key is what the English report says, word for word; a test finds the keys that are missing, and those nobody says.
"""

from __future__ import annotations

PHRASES: dict[str, str] = {
    "baseline": "nuvarande",
    "candidate": "uppdaterad",
    "Baseline": "Nuvarande",
    "Candidate": "Uppdaterad",
    "Change": "Ändring",
    "Bounds": "Gränser",
    "Margin": "Marginal",
    "Would have caught": "Hade upptäckt",
    "Decision": "Beslut",
    "Metric": "Mått",
    "Step": "Steg",
    "Arm": "Arm",
    "Server": "Server",
    "Cause": "Orsak",
    "What": "Vad",
    "Added": "Tillkommer",
    "Added time": "Tillkommande tid",
    "Share": "Andel",
    "p50": "p50",
    "p95": "p95",
    "At the start": "I början",
    "At the end": "I slutet",
    "Generator": "Generator",
    "allowed": "tillåtet",
    "change": "ändring",
    "bounds": "gränser",
    "margin": "marginal",
    "run": "körning",
    "started": "startad",
    "yes": "ja",
    "no": "nej",
    "no answer": "inget svar",
    "pass": "godkänt",
    "notice": "godkänt, men märkbart",
    "inconclusive": "oavgjort",
    "likely slower": "troligen långsammare",
    "block": "stopp",
    "not judged": "ej bedömt",
    "Contents": "Innehåll",
    "Why {kind}": "Varför {kind}",
    "Caveats": "Förbehåll",
    "Step to blame:": "Steget som orsakar det:",
    "What to do:": "Vad som bör göras:",
    "Partial run.": "Ofullständig körning.",
    "What follows uses what was measured until then.": "Det som följer bygger på vad som hann mätas.",
    "What users would notice": "Vad användarna skulle märka",
    "half of all {logins} done in": "hälften av alla {logins} klara på",
    "19 of 20 {logins} done in": "19 av 20 {logins} klara på",
    "logins that failed": "inloggningar som misslyckades",
    "{count} more": "{count} till",
    "The figures below only help to find the cause.": "Figurerna nedan hjälper bara till att hitta orsaken.",
    "The measurement was not sound.": "Mätningen höll inte.",
    "Login speed, baseline against candidate": "Inloggningarnas snabbhet, nuvarande mot uppdaterad",
    "Login speed of one arm": "Inloggningarnas snabbhet på en arm",
    "A soak: logins of one arm over its age": "Ett långtidsprov: en arms inloggningar över tid",
    "How long logins took": "Hur lång tid inloggningarna tog",
    "Change against what is allowed": "Ändringen mot vad som tillåts",
    "Where the time goes": "Vart tiden tar vägen",
    "Over the run": "Under körningen",
    "Over the hours": "Över timmarna",
    "Which step the change comes from": "Vilket steg ändringen kommer från",
    "Which step grows": "Vilket steg som växer",
    "Which failures the change comes from": "Vilka fel ändringen kommer från",
    "Logins that were given up and tried again": "Inloggningar som avbröts och försöktes igen",
    "Which server answered": "Vilken server som svarade",
    "What changed on the wire": "Vad som ändrats på nätet",
    "All findings": "Alla resultat",
    "Was the measurement sound?": "Höll mätningen?",
    "How it was measured": "Hur det mättes",
    "The run's manifest": "Körningens manifest",
    "No metric could be judged.": "Inget mått kunde bedömas.",
    "Not judged": "Ej bedömt",
    "Failed logins: {whole}": "Misslyckade inloggningar: {whole}",
    "Made by authgate. The same numbers, for machines: verdict.json, junit.xml.": (
        "Gjord av authgate. Samma tal för maskiner: verdict.json, junit.xml."
    ),
    # Figures.
    "response time": "svarstid",
    "time-out": "tidsgräns",
    "not reached": "ej nått",
    "given up after {time}": "avbrutet efter {time}",
    "{logins}: share as fast or faster": "{logins}: andel minst så snabba",
    "{logins}: share slower, log scale": "{logins}: andel långsammare, log-skala",
    "{logins}: mean time in each step": "{logins}: medeltid i varje steg",
    "{logins}: response time in each block": "{logins}: svarstid i varje block",
    "Failed logins in each block": "Misslyckade inloggningar i varje block",
    "Share of logins in each block": "Andel inloggningar i varje block",
    "slow or failed": "långsamma eller misslyckade",
    "failed": "misslyckade",
    "minutes from the start of the run": "minuter från körningens början",
    "hours from the start of the soak": "timmar från långtidsprovets början",
    "minutes from the start of the soak": "minuter från långtidsprovets början",
    "change in its own margins (shaded: slower than allowed)": "ändring i egna marginaler (skuggat: för långsamt)",
    "change in units of its own margin (shaded: slower than allowed)": (
        "ändring i enheter av den egna marginalen (skuggat: långsammare än tillåtet)"
    ),
    "Distribution of response times: {told}.": "Svarstidernas fördelning: {told}.",
    "Median and p95 of response times in each block, in run order: {told}.": (
        "Svarstidernas median och p95 i varje block, i körningens ordning: {told}."
    ),
    "Mean time in each step: {told}.": "Medeltid i varje steg: {told}.",
    "Change of each metric with its bounds in units of its margin; the table of findings has the same numbers.": (
        "Varje måtts ändring med gränser i enheter av marginalen; resultattabellen har samma tal."
    ),
    " Shaded: discarded, and not judged.": " Skuggat: bortses från, och bedöms inte.",
    "Above or left: the share of all logins together that were as fast as the time on the axis, or faster; a curve "
    "further right is slower; marks are at the median and at p95, and the slowest 0.5 % are in the other panel: the "
    "share of logins that took longer than the time on the axis, on a logarithmic scale. A login that failed never got "
    "done, so that its arm's curve ends below 100 %. Discarded: {discarded}.": (
        "Ovan eller till vänster: andelen av alla inloggningar tillsammans som var minst så snabba som tiden på axeln; "
        "en kurva längre till höger är långsammare; märken står vid medianen och p95, och de långsammaste 0,5 % finns "
        "i den andra rutan: andelen som tog längre tid än tiden på axeln, i logaritmisk skala. En inloggning som "
        "misslyckades blev aldrig klar, så armens kurva slutar under 100 %. Bortses från: {discarded}."
    ),
    "Each line is one metric: its change (mark) between its lower and upper bound, in units of its own margin. "
    "Cross: blocked, its lower bound lies beyond the margin. Circle: shown to be within it (hollow: but "
    "certainly a little slower). Diamond: undecided (filled: likely slower). "
    "An arrow is a bound that is not known, or far off the scale.": (
        "Varje rad är ett mått: ändringen (märke) mellan undre och övre gräns, i enheter av den egna marginalen. "
        "Kryss: stoppat, undre gränsen ligger bortom marginalen. Cirkel: visat ligga inom den (ihålig: men säkert lite "
        "långsammare). Romb: oavgjort (fylld: troligen långsammare). En pil är en gräns som inte är känd, eller ligger "
        "långt utanför skalan."
    ),
    "Mean time in each step, in the order of the login; each bar begins where the step before it ended.": (
        "Medeltid i varje steg, i inloggningens ordning; varje stapel börjar där steget före slutade."
    ),
    " One step dwarfs the others: bars below a hundredth of it are hairlines, whose labels give their times.": (
        " Ett steg är mycket längre än de andra: staplar under en hundradel av det är hårstreck; siffrorna ger tiderna."
    ),
    "Each bar is one block, or those of one arm in a pair together: thick with a filled mark the median, thin with a "
    "hollow mark the p95. A login that failed counts as the time-out.": (
        "Varje streck är ett block, eller en arms alla block i ett par: tjockt med fyllt märke medianen, tunt med "
        "ihåligt märke p95. En misslyckad inloggning räknas som tidsgränsen."
    ),
    "Each bar is one block, or those of one arm in a pair together: thick with a filled mark the median, thin with a "
    "hollow mark the p95. A login that failed counts as the time-out. Baseline and candidate took turns in random "
    "order, or ran side by side, so that drift of the environment affects both.": (
        "Varje streck är ett block, eller en arms alla block i ett par: tjockt med fyllt märke medianen, tunt med "
        "ihåligt märke p95. En misslyckad inloggning räknas som tidsgränsen. Nuvarande och uppdaterad turades om i "
        "slumpmässig ordning, eller kördes samtidigt, så att förändringar i omgivningen drabbar båda."
    ),
    "Each bar is one block, or those of one arm in a pair together: thick with a filled mark the median, thin with a "
    "hollow mark the p95. A login that failed counts as the time-out. The arms were measured one after the other, so "
    "drift of the environment may look like a difference.": (
        "Varje streck är ett block, eller en arms alla block i ett par: tjockt med fyllt märke medianen, tunt med "
        "ihåligt märke p95. En misslyckad inloggning räknas som tidsgränsen. Armarna mättes en efter en, så "
        "förändringar i omgivningen kan se ut som en skillnad."
    ),
    "Each mark is one block: filled its median, hollow its p95. The lines are the trends that are judged; a cold start "
    "is not part of them, so blocks at the beginning may lie off the lines.": (
        "Varje märke är ett block: fyllt medianen, ihåligt p95. Linjerna är de trender som bedöms; en kallstart ingår "
        "inte i dem, så block i början kan ligga vid sidan av."
    ),
    # What the verdicts mean.
    "Every judged metric was shown to be within its margin. That is not the same as “no difference found”: "
    "a slowdown smaller than the margin is possible.": (
        "Varje bedömt mått visades ligga inom sin marginal. Det är inte detsamma som ”ingen skillnad hittad”: en "
        "fördröjning mindre än marginalen är möjlig."
    ),
    "At least one metric was shown to be worse than its margin allows. Do not deploy this update.": (
        "Minst ett mått visades vara sämre än marginalen tillåter. Driftsätt inte uppdateringen."
    ),
    "The run could show neither that every metric is within its margin nor that one is beyond it. "
    "Do not deploy on it: an open question is not a pass.": (
        "Körningen kunde varken visa att varje mått ligger inom sin marginal eller att något ligger bortom den. "
        "Driftsätt inte på den grunden: en öppen fråga är inget godkännande."
    ),
    "The measurement itself was not sound, so it says nothing about the update, good or bad. "
    "Fix what is listed here and measure again.": (
        "Själva mätningen höll inte, så den säger ingenting om uppdateringen. Åtgärda det som står här och mät igen."
    ),
    # Tables.
    "The most severe first. Baseline and candidate are means over pairs: geometric means of times, plain means of "
    "rates; a login that failed counts as one that took the time-out. BLOCK needs the lower bound above the margin, "
    "PASS the upper bound below it. “Would have caught” is the smallest change that this run would have blocked with a "
    "probability of 80 %; pp are percentage points.": (
        "De allvarligaste först. Nuvarande och uppdaterad är medelvärden över par: geometriska för tider, vanliga "
        "för andelar; en misslyckad inloggning räknas som en som tog tidsgränsen. BLOCK kräver undre gränsen över "
        "marginalen, PASS övre gränsen under den. ”Hade upptäckt” är den minsta ändring som körningen hade stoppat med "
        "80 % sannolikhet; pp är procentenheter."
    ),
    "The most severe first. The level is that of the fitted line at the start of the soak. BLOCK needs a lower bound "
    "above 0 and a growth above its margin, PASS an upper bound below the margin. “Would have caught” is the "
    "smallest growth that this soak would have blocked with a probability of 80 %; pp are percentage points.": (
        "De allvarligaste först. Nivån är den anpassade linjens i långtidsprovets början. BLOCK kräver en undre gräns "
        "över 0 och en tillväxt över marginalen, PASS en övre gräns under marginalen. ”Hade upptäckt” är den minsta "
        "tillväxt som provet hade stoppat med 80 % sannolikhet; pp är procentenheter."
    ),
    "How much longer or shorter the candidate takes in each step, for logins around each quantile; the steps add up "
    "to the whole. 95 % intervals over pairs are in brackets. “elsewhere” is time outside every step. Shares are given "
    "where the whole is shown to differ from zero.": (
        "Hur mycket längre eller kortare tid varje steg tar med uppdateringen, för inloggningar kring varje kvantil; "
        "stegen summerar till helheten. Inom parentes 95-procentiga intervall över par. ”elsewhere” är tid utanför "
        "stegen. Andelar anges där helheten visats skilja sig från noll."
    ),
    "Mean time in each step at both ends of the soak, by the straight line fitted to its blocks; the largest growth "
    "first.": (
        "Medeltid i varje steg i provets båda ändar, enligt den räta linje som anpassats till blocken; störst tillväxt "
        "först."
    ),
    "Each failed login has one cause: the step that did not succeed and the server's own code. The causes add up to "
    "the whole. 95 % intervals over pairs are in brackets. Shares are given where the whole is shown to differ from "
    "zero. A repeated request to a server (libkrb5 asks again after 1 s, or over TCP) is not a failure but a slow "
    "step; only authgate login can tell it from other waiting.": (
        "Varje misslyckad inloggning har en orsak: steget som inte lyckades och serverns egen kod. Orsakerna summerar "
        "till helheten. Inom parentes 95-procentiga intervall över par. Andelar anges där helheten visats skilja sig "
        "från noll. En upprepad fråga till en server (libkrb5 frågar igen efter 1 s, eller över TCP) är inget fel utan "
        "ett långsamt steg; bara authgate login kan skilja den från annan väntan."
    ),
    "A login that is not done in time is given up, and tried again after a pause: that is how slowness becomes load. "
    "The time lost is the step “earlier_tries” above; all other steps are those of the last try. 95 % intervals over "
    "pairs are in brackets. This table takes no part in the verdict.": (
        "En inloggning som inte blir klar i tid avbryts och försöks igen efter en paus: så blir långsamhet till last. "
        "Den förlorade tiden är steget ”earlier_tries” ovan; alla andra steg är det sista försökets. Inom parentes "
        "95-procentiga intervall över par. Tabellen påverkar inte utslaget."
    ),
    "Steps that several servers of an arm answered. The share is of the steps taken on that arm; times are those of "
    "the step, including any wait for a server that did not answer. This table takes no part in the verdict.": (
        "Steg som flera av en arms servrar svarade på. Andelen gäller stegen på den armen; tiderna är stegets, med "
        "väntan på servrar som inte svarade. Tabellen påverkar inte utslaget."
    ),
    "The load generator itself. A late or overloaded generator would slow logins by itself; beyond the policy's limits "
    "the verdict is INVALID.": (
        "Själva lastgeneratorn. En sen eller överlastad generator gör inloggningar långsamma av sig själv; bortom "
        "policyns gränser blir utslaget INVALID."
    ),
    "Held against a packet capture on the embedded domain, at 20 to 200 logins/s, each step's recorded time was its "
    "packets' to within 0.1 ms at the median and 0.5 ms at the 99th percentile. A smaller difference can't be laid to "
    "the servers.": (
        "Jämfört med en inspelning av nätets paket på den inbyggda domänen, vid 20 till 200 inloggningar/s, var varje "
        "stegs uppmätta tid paketens på 0,1 ms när vid medianen och 0,5 ms vid 99:e percentilen. En mindre skillnad "
        "kan inte tillskrivas servrarna."
    ),
    "{logins} without the generator's own time, {quantile}": "{logins} utan generatorns egen tid, {quantile}",
    "{time}, with it {all}": "{time}, med den {all}",
    "load workers": "lastarbetare",
    "error of a worker's clock (duet)": "fel i en arbetares klocka (duett)",
    "logins planned": "planerade inloggningar",
    "logins started": "påbörjade inloggningar",
    "denied": "nekade",
    "failed otherwise": "misslyckade på annat sätt",
    "send lag, p99": "försenad sändning, p99",
    "wait for a thread, p99": "väntan på en tråd, p99",
    "stall of the event loop, p99": "händelseslingans stillestånd, p99",
    "slowest write to disk in a second, p95": "sekundens långsammaste skrivning till disk, p95",
    "generator's use of a core": "generatorns andel av en kärna",
    "logins that waited for a seat": "inloggningar som väntade på en plats",
    "worker lost": "förlorad arbetare",
    "design": "upplägg",
    "discarded": "bortses från",
    "time-out of a login": "tidsgräns för en inloggning",
    "used for the verdict": "använt för utslaget",
}
