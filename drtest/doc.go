// Package drtest runs disaster-recovery drills as Go tests. A [Scenario] drives a [Workload]
// against a running system under an open-loop [Load], waits for a steady state, injects a [Fault],
// follows the runbook of [Step]s once the system's own health check has reported the failure, and
// writes what it saw to a [Ledger]. Each [Objective] then judges that ledger with a [Verdict]:
// judging is pure, so a saved ledger can be judged again without the system.
//
// # What the figures mean
//
// All times are offsets from the start of the drill on the test process's monotonic clock. Clocks
// of containers and servers are never compared with it. Every instant is an [Interval]: the last
// moment at which it had certainly not happened yet, and the first at which it certainly had.
//
//	instant        from                                        to
//	fault          just before Inject is called, or            Inject has returned its receipt, or
//	               [Effect].NotBefore                          [Effect].By
//	first failure  start of the last request acked before it   end of the first request that was not acked
//	detected       start of the last good poll of Health       end of the first bad one
//	runbook step   its start                                   its end
//	healed         just before Heal is called                  Heal has returned
//	stage          start of the last poll that missed it       end of the first poll that did not
//	served again   start of the last request that failed       end of the acked request that completes the evidence: the
//	                                                           first one that was sent after the last failure, when every
//	                                                           request had failed since the fault
//	work resumed   start of the last sample in which some      end of the next sample, in which all were past
//	               affected unit was not past its progress     it
//	               at the fault
//
// A duration runs from the first of one instant to the last of another, so it is an interval too.
// An objective passes when even its strict end meets the limit, fails when not even the lenient end
// does, and is inconclusive otherwise. Inconclusive fails the test.
//
//   - Detection: fault to detected.
//   - RTO: fault to served again. "Again" counts from the last request that failed, and a window of
//     [Load].Steady without a failure must follow it, so a brief false recovery does not count. The
//     verdict says which failure rate the requests since then exclude. The time for which the fault
//     was held is part of it.
//   - Model: the best and the worst RTO that the configuration alone allows, added up from its
//     terms before anything is measured. The verdict passes when the RTO lies within, fails when it
//     certainly lies outside, and is inconclusive otherwise. A failure means that the model or the
//     system is not understood.
//   - Outage: first failure to served again.
//   - Stages: fault to reached, for each [Stage] that the scenario names, such as "promoted".
//   - Recovery: all these moments in their order, each with the time since the fault and since the
//     one before it, and where it was seen: it says which part of the RTO took how long.
//   - Heal lag: healed to served again, for faults that the world repairs.
//   - RPO: how far back acknowledged work was lost: the fault minus the ack of the oldest acked
//     unit that did not survive. It is 0 when none was lost. Work that was asked for before the
//     fault was in effect and acked before Inject returned counts as acked before the fault. Work
//     that was asked for after it was in effect, acked and lost always fails, and work that may
//     have been asked for after it does not pass. A window is met only when something older than
//     the loss survived: when the first unit of the load is lost, the loss may reach back beyond
//     it.
//   - Affected: units acked before the fault, in this sense, and not finished in the last sample
//     before it, or finished then and unfinished later. Recovered: those of them that finished with
//     their right result, and are held exactly once.
//   - Work RTO: fault to work resumed.
//   - Lost work: progress that clients had seen and that was rolled back: the fault minus the time
//     at which the progress that a unit resumed from had first been seen. The worst unit is
//     reported. It is not data loss.
//   - Lost: acked units that the system does not hold. Duplicates: units that it holds more than
//     once. Resurrected: rejected units that it holds.
//   - Counters: what each [Counter] of the workload counted over the whole drill, such as calls of a
//     paid provider, and how much of it had been counted before: for work that was done again.
//   - Proofs: what each [Proof] of the scenario found in the system once the drill was over. Each
//     is a verdict of its own: a pass with its evidence, a failure with what refutes it.
//   - Wrong: units of which clients ever saw a wrong result, whenever they were accepted: always a
//     failure.
//   - Vanished: units that the system held in one reading and not in a later one: always a failure.
//   - Availability: the share of the requests sent from the fault until service was back that were
//     served. It does not depend on how long the drill went on.
//
// A request is acked (the system promised to keep the unit), rejected (it promised that it did not
// take it), or unknown (anything else, such as a timeout). Only acked units can be lost. An unknown
// unit may turn up later or not; it is never lost and never a duplicate by itself. An answer that
// comes later than [Load].Timeout has served nobody: it is unavailability, as an error is, but no
// loss.
//
// The survivors are read until two readings agree that are apart by [Load].Timeout and
// [Load].Settle. A [Stage] that was there before the fault has to be seen missing since Inject was
// called. Health that had turned bad twice before the fault shows nothing when it does so again,
// and neither does a system of which a request failed between the steady state and the fault: then
// the drill broke.
//
// # Attributes of a test
//
// Each drill sets attributes of its test, which go test -json tells: see [testing.T.Attr]. They
// begin with the ID. A test that plays several drills sets them for one after the other.
//
//	drtest.id                 the ID of the scenario
//	drtest.status             pass, fail, inconclusive, or untrusted: the machine did not keep up
//	drtest.detection_seconds  the strict end of the figure, such as 0.892, or +Inf when it was never
//	drtest.rto_seconds        seen; absent when it was not measured, or the drill broke
//	drtest.rpo_seconds
//	drtest.lost_units         acked units that the system does not hold; absent likewise
//
// # Partial outages
//
// When acks came between the fault and the last failure, only some requests failed, and one more
// ack proves nothing. Acks from before Inject returned count where a request had failed before
// them, unless all fail that were sent from then on. The failure rate then has a lower bound with a
// confidence of 95 %, that of Clopper and Pearson for one side. It is the lowest of the whole
// outage and of its last two, four and eight failures, since a rate that falls must not be averaged
// with what came before. Served again is the end of the n-th ack in a row since the last failure,
// with
//
//	n = ln(0.05 / (rows + 1)) / ln(1 - rate)
//
// rounded up. Rows is how many rows of acks there were since the first failure: each had its chance
// of being long while requests still failed. A drill goes on until it has n acks.
//
// A row of n acks excludes a failure rate above 1 - (0.05 / rows)^(1/n): 33 acks exclude 8.7 %. A
// service that keeps failing at a lower rate can pass as recovered. [ErrorRate] asks for more acks.
//
// Requests may belong to classes: see [Classifier]. Each class has an outage of its own, and
// service is back when it is back for all. A drill goes on until a request of each class that it
// has seen was acked since the fault and since the last failure of any.
//
// # A drill that is played many times
//
// A fault that always comes at the same moment of what the system does again and again finds what
// that moment finds. With DRTEST_SEED in the environment, [Run] lets the fault wait, once the drill
// is steady, for a random part of [Scenario].Period, or of [Load].Every where that is longer. The
// system has to stay steady meanwhile. The wait follows from the seed and from the names of the
// test and of the scenario, so that it comes again with them: the journal has it as the [Phase] of
// the drill. "drreport run -count" gives a seed to each play of a drill.
//
// # A tester that stalls
//
// The test process may stand still: it is stopped, its machine is paused, or its disk is slow. A
// watchdog looks at the clock a hundred times a second, and each gap of 35 ms or more is an event
// of the ledger, a stall. A request that failed during one may have been answered in time: it does
// not make the lower end of an interval later, nor the upper end earlier. A window without failures
// counts by what was sent, and a time in which nothing was sent breaks it. [NoFailedRequests] does
// not pass when no request was sent for more than two periods of the load, or 35 ms where that is
// more. What is logged or written never holds up the load.
//
// An outage that is shorter than [Load].Every, or than 35 ms, can fall between two requests, and
// one that ends before [Load].Timeout can be waited out by each of them. Neither is seen: choose
// both below the outage that matters.
//
// # The machine
//
// A time says something about the system only when the machine could keep up. A drill takes a
// [Reading] of it four times a second, and each time is judged with the [Strain] of its own window:
// from the fault to what was measured, for instance. The machine did not keep up when, in that
// window,
//
//   - some task was ready to run and had no processor for more than two fifths of the time (the
//     kernel's pressure stall information, which counts tasks that a quota holds back as well), or,
//     where the kernel does not tell that, all processors were in use for as much of it, or
//   - the host of a virtual machine took more than a tenth of its processors (steal), or
//   - the test process stood still for more than a tenth of it, or
//   - more than one request in twenty, and at least two, left more than half a period late.
//
// A single drill on an idle machine of two processors stays below these. A time that meets its
// limit passes all the same: its strict end held. A time that misses it is untrusted: inconclusive,
// with the machine as the reason. The same holds where the machine did not keep up after the last
// step of the runbook or the end of the fault. It still fails when it misses the limit without all
// that can have been the machine's doing: the time in which some task waited, was kept from a
// processor, or stood still, and in which the engine was starting a container that the recovery
// needs. [NoFailedRequests] is judged in the same way, by the length of the outage, and so is what
// a drill did not get done by its deadline, or broke over: by the time before the fault where it
// did not get that far, and by the time since, or since the last step, where it did. What the test
// process may have slept through, such as a short outage or the failure of health, is untrusted as
// well.
//
// Lost data, duplicates, wrong results, and proofs and checks that fail are judged the same on any
// machine. What a drill does not show either way is untrusted, if the machine did not keep up at
// any time: too little work in flight at the fault, a check that cannot tell, a proof that saw
// nothing. A loss whose age nobody knows is no such thing: it stays inconclusive. A system that
// keeps the processors busy by itself, so that its own work waits, is untrusted even when nothing
// else runs: it never passes, and does not fail.
//
// # The journal
//
// [Run] writes what it sees to a journal, a file of one JSON object a line, and [ReadReport] reads
// it. The first line says what was played and what was asserted, the last one what the verdicts
// were. [Report.Rejudge] repeats the judgement whole, so a drill that failed fails again. Only a
// [Check] is not judged again: its verdict is taken over as it was recorded, and says so.
//
// Each line has a number and a hash of itself and of the line before it. A flipped bit, and a line
// that is missing, doubled or out of place, is found and named. A reader refuses what cannot have
// happened, too: two requests with one id, an answer before its request, an instant before the
// drill. A journal without its last line was cut off, and cannot pass. The hashes hold no secret:
// whoever rewrites a whole journal can compute them. They find damage and edits, not forgery.
//
// Text that comes from the system under test is made harmless when it enters a ledger: it is one
// line of printable characters, at most 2,000 bytes, with everything else escaped as in a Go
// string.
package drtest
