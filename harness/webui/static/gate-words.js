'use strict';
/* What the gate's page says, in English and Swedish; sentences of the judge's are shown as he says them. */
Object.assign(WORDS.en, {
  nav_the_gate: 'Gate', nav_runs: 'Earlier runs', form_title: 'Judge an update',
  form_lead: 'Clinicians log in to the present servers and to the updated ones by turns, and the gate compares how long it takes.',
  update: 'What to judge', own_servers: 'Two sets of servers of my own (targets)', update_hint: '{title}. It runs on a lab of its own ({lab}).',
  policy: 'Policy', both_hint: '{rate} logins/s at the peak, {users} accounts, up to {both}. {description}',
  running_title: 'Gate: {scenario}', preparing: 'Preparing', preparing_says: 'Accounts are prepared and each arm is logged in to once.', preparing_ready: 'Ready: {ready}.',
  starting_says: 'The gate is starting.', ending_says: 'The report is being written.', no_look: 'No verdict yet', no_look_says: 'The first pair of blocks is not complete.',
  so_far: '{kind} so far', so_far_PASS: 'Every judged metric lies within its margin.', so_far_INCONCLUSIVE: 'Not certain yet. It waits for:', so_far_INVALID: 'The measurement is not sound:', more: 'and {more} more',
  time: '{elapsed} of {length} · {left} left', time_pass: 'earliest PASS in {pass}', time_pass_now: 'a PASS is possible now',
  stop: 'Stop the gate', stop_note: 'What has been measured is kept, with a report that says it is partial.', stop_sure: 'Stop the gate? {ended} logins are kept in {folder}, with a report that says it is partial.', stopping: 'Stopping …',
  sound_title: 'Is the measurement sound?', light_send_lag: 'logins sent late', light_pool_wait: 'wait for a thread', light_hub_stall: 'event loop stalled', light_cpu: 'processor core used', light_seat_waits: 'waited for a seat', light: '{arm}: {what} {value} {unit} (limit {limit} {unit})', light_ok: 'within its limit', light_off: 'beyond its limit', no_lights: 'Not known before the first pair is complete.',
  load_title: 'Load', offered: 'Offered', achieved: 'Ended', per_s: '{value} logins/s', block: 'Block', block_of: '{block} of {blocks}, on {arms}', pairs_done: 'Complete pairs', seats_busy: 'Seats in use, {arm}', seats_of: '{busy} of {seats}', generator: 'Generator, {arm}', generator_is: '{cpu} % of a core, {rss} MB, p99 sent {lag} ms late', latency: '{arm}, of late', latency_is: 'p50 {p50}, p95 {p95}', failed_of: 'Failed, {arm}', failed_is: '{failed} of {ended}',
  logins_title: 'Logins, both arms', steps_title: 'Every step', metric: 'Metric', baseline: 'Baseline', candidate: 'Candidate', change: 'Change', bounds: 'Bounds', margin: 'Margin', decision: 'Decision', figure: 'Bounds against the margin', figure_says: '{metric}: change {change}, bounds {bounds}, margin {margin}', nothing_yet: 'Nothing yet.',
  pairs_title: 'Pair by pair', pairs_lead: 'The candidate’s difference in each pair of blocks; dashed: the margin; shaded: the bounds.', pairs_says: '{metric}: {count} pairs, the last {last}, estimate {estimate}, margin {margin}',
  failures_title: 'Failed logins by step and code', step: 'Step', code: 'Code', none_failed: 'No login has failed.',
  slow_title: 'Of the last minute', slowest: 'Slowest logins', waited: 'waited', failed: 'Failed logins', login_of: '{arm}, {cohort}, at {at}', login_says: '{took}: {steps}', none: 'None.', wire_title: 'What differs on the wire', no_wire: 'Single logins on the arms do not differ.',
  report_title: 'Report', another: 'Judge another update', run_partial: 'partial', runs_title: 'Earlier runs', side_by_side: 'Open two side by side', when: 'When', verdict: 'Verdict', open: 'Open', compare: 'Compare', choose_run: 'Choose {run} to compare', no_runs: 'No run is here yet.', no_report: 'no report', failed_title: 'The gate ended without a run',
});
Object.assign(WORDS.sv, {
  nav_the_gate: 'Grind', nav_runs: 'Tidigare körningar', form_title: 'Bedöm en uppdatering',
  form_lead: 'Vårdpersonal loggar in turvis mot nuvarande och uppdaterade servrar, och grinden jämför hur lång tid det tar.',
  update: 'Vad som ska bedömas', own_servers: 'Två egna uppsättningar servrar (mål)', update_hint: '{title}. Körs i ett eget labb ({lab}).',
  policy: 'Policy', both_hint: '{rate} inloggningar/s som mest, {users} konton, upp till {both}. {description}',
  running_title: 'Grind: {scenario}', preparing: 'Förbereder', preparing_says: 'Konton förbereds och varje arm loggas in mot en gång.', preparing_ready: 'Klara: {ready}.',
  starting_says: 'Grinden startar.', ending_says: 'Rapporten skrivs.', no_look: 'Inget utslag än', no_look_says: 'Första blockparet är inte klart.',
  so_far: '{kind} hittills', so_far_PASS: 'Varje bedömt mått ligger inom sin marginal.', so_far_INCONCLUSIVE: 'Inte säkert än. Det väntar på:', so_far_INVALID: 'Mätningen håller inte:', more: 'och {more} till',
  time: '{elapsed} av {length} · {left} kvar', time_pass: 'tidigast PASS om {pass}', time_pass_now: 'PASS är möjligt nu',
  stop: 'Stoppa grinden', stop_note: 'Det som mätts sparas, med en rapport som säger att den är ofullständig.', stop_sure: 'Stoppa grinden? {ended} inloggningar sparas i {folder}, med en rapport som säger att den är ofullständig.', stopping: 'Stoppar …',
  sound_title: 'Håller mätningen?', light_send_lag: 'inloggningar sända för sent', light_pool_wait: 'väntan på en tråd', light_hub_stall: 'händelseslingan stod still', light_cpu: 'av en processorkärna', light_seat_waits: 'väntade på en plats', light: '{arm}: {what} {value} {unit} (gräns {limit} {unit})', light_ok: 'inom gränsen', light_off: 'över gränsen', no_lights: 'Okänt innan första paret är klart.',
  load_title: 'Last', offered: 'Planerat', achieved: 'Avslutat', per_s: '{value} inloggningar/s', block: 'Block', block_of: '{block} av {blocks}, mot {arms}', pairs_done: 'Färdiga par', seats_busy: 'Platser i bruk, {arm}', seats_of: '{busy} av {seats}', generator: 'Generator, {arm}', generator_is: '{cpu} % av en kärna, {rss} MB, p99 sänt {lag} ms sent', latency: '{arm}, på sistone', latency_is: 'p50 {p50}, p95 {p95}', failed_of: 'Misslyckade, {arm}', failed_is: '{failed} av {ended}',
  logins_title: 'Inloggningar, båda armarna', steps_title: 'Varje steg', metric: 'Mått', baseline: 'Nuvarande', candidate: 'Uppdaterad', change: 'Ändring', bounds: 'Gränser', margin: 'Marginal', decision: 'Beslut', figure: 'Gränser mot marginal', figure_says: '{metric}: ändring {change}, gränser {bounds}, marginal {margin}', nothing_yet: 'Inget än.',
  pairs_title: 'Par för par', pairs_lead: 'Skillnaden i varje blockpar; streckat: marginalen; skuggat: gränserna.', pairs_says: '{metric}: {count} par, senast {last}, skattning {estimate}, marginal {margin}',
  failures_title: 'Misslyckade inloggningar per steg och kod', step: 'Steg', code: 'Kod', none_failed: 'Ingen inloggning har misslyckats.',
  slow_title: 'Från senaste minuten', slowest: 'Långsammaste inloggningarna', waited: 'väntade', failed: 'Misslyckade inloggningar', login_of: '{arm}, {cohort}, vid {at}', login_says: '{took}: {steps}', none: 'Inga.', wire_title: 'Vad som skiljer på nätet', no_wire: 'Enskilda inloggningar mot armarna skiljer sig inte.',
  report_title: 'Rapport', another: 'Bedöm en annan uppdatering', run_partial: 'ofullständig', runs_title: 'Tidigare körningar', side_by_side: 'Öppna två sida vid sida', when: 'När', verdict: 'Utslag', open: 'Öppna', compare: 'Jämför', choose_run: 'Välj {run} för jämförelse', no_runs: 'Här finns ingen körning än.', no_report: 'ingen rapport', failed_title: 'Grinden slutade utan körning',
});
translate();
