package evidence

// A Demand is something that a standard asks of the record of a recovery test, in our words, and
// where a bundle has it.
type Demand struct {
	Standard string `json:"standard"`
	Asks     string `json:"asks"`
	Answered string `json:"answered"` // where, or "not by this tool"
	People   string `json:"people"`   // what of it people have to state or do
}

// demands are our reading of the texts, which those who are bound by them have to check. DORA is
// Regulation (EU) 2022/2554; its RTS on ICT risk management is Delegated Regulation (EU) 2024/1774,
// whose Article 25 is on the testing of ICT business continuity plans. ISO 22301 is the edition of
// 2019. Details that no clause asks for by name, such as the identity of a run, are there so that
// what the clause does ask for can be traced.
var demands = []Demand{
	{"DORA RTS 2024/1774, Article 25(1)", "the business impact analysis and the risk assessment are taken into account",
		"Drills: why each is played", "the reason of each drill, with the analysis that it comes from"},
	{"DORA RTS 2024/1774, Article 25(2)", "scenarios that are severe but plausible; a switch to redundant capacity and backups, and back to normal; assumptions that are challenged",
		"Drills: fault, receipt, account, figures; Conditions: assumptions", "that the set of scenarios is adequate; crisis communication and the ability of staff, which no drill here tests"},
	{"DORA RTS 2024/1774, Article 25(5)", "results are documented; deficiencies are analysed, addressed and reported to the management body",
		"Drills, Deviations; run/report.json and the journals", "owner, action and retest of each deviation; the report to the management body, of which this tool knows nothing"},
	{"ISO 22301:2019, 8.5", "exercises follow planned scenarios with aims and objectives; a report has outcomes, recommendations and actions; intervals are planned, and changes lead to exercises",
		"Drills, Deviations, The last test", "aims, actions and their review; the programme and its intervals"},
	{"SOC 2, criterion A1.3", "procedures of the recovery plan are tested; integrity and completeness of backup data are tested; plans are revised by the results",
		"Drills: runbook in the account, integrity of data", "which plan is tested; its revision; availability of key personnel"},
	{"NIST SP 800-84, section 6.5", "an after-action report with scope and objectives of the test, what was observed, recommendations, and a list of participants",
		"Conduct, Conditions, Drills, Deviations", "participants and their roles; recommendations; action items and the update of the plan"},
}

// limits are what a bundle cannot show.
var limits = []string{
	"Hashes find an edit of a bundle, not a bundle that somebody made anew as a whole, with journals that were never measured. A signature by those who ran the test says who vouches for it: sign the statement that drreport verify -statement writes.",
	"Names, roles, approvals, reasons and follow-ups are what the file of statements says. Nothing here checks that they are true.",
	"Versions and digests of the systems are those that the harness announced in the run. What it did not announce is not listed.",
	"Drills play copies of the systems in containers. That production is built and configured like them is for people to show.",
	"No drill tests people: crisis communication, staffing, decisions outside of the runbook.",
	"Whether a standard is met is a judgement of its auditor. The table of demands is a reading of its clauses and no legal advice.",
}
