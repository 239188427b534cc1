//! For findings as code hosts show them: SARIF 2.1.0 (OASIS, 2020), one run, a result a finding.
//!
//! In: findings in any order. Out: one JSON document, written when the last is known. Its size grows with the findings.

use crate::abc::{Code, Diagnostic, Severity, TuneText};
use serde_json::{Value, json};

/// The most findings that are written; code hosts take no more.
const RESULTS_MAX: usize = 25_000;

/// Findings so far.
#[derive(Default)]
pub(super) struct Sarif {
    results: Vec<Value>,
}

impl Sarif {
    /// Adds a finding; those beyond the bound are left out.
    pub(super) fn add(&mut self, file: &str, tune: &TuneText, finding: &Diagnostic) {
        if self.results.len() >= RESULTS_MAX {
            return;
        }
        let (start, end) = (tune.place(finding.span.start), tune.place(finding.span.end));
        self.results.push(json!({
            "ruleId": finding.code.as_str(),
            "level": level(finding.severity()),
            "message": { "text": finding.message },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": file },
                "region": {
                    "startLine": start.line, "startColumn": start.column,
                    "endLine": end.line, "endColumn": end.column.max(if end.line == start.line { start.column } else { 1 }),
                },
            }}],
        }));
    }

    /// The document.
    pub(super) fn document(&self) -> Value {
        let rule = |code: &Code| {
            json!({
                "id": code.as_str(),
                "shortDescription": { "text": code.meaning() },
                "help": { "text": code.hint() },
                "defaultConfiguration": { "level": level(code.severity()) },
            })
        };
        let rules: Vec<Value> = Code::ALL.iter().map(rule).collect();
        json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": { "name": "ceilid", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
                "results": self.results,
            }],
        })
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abc::Span;

    #[test]
    fn a_finding_is_a_result_with_its_rule_and_place() {
        let mut sarif = Sarif::default();
        let tune = TuneText::alone("X:1\nK:C\nC#|\n");
        sarif.add(
            "a.abc",
            &tune,
            &Diagnostic::new(Code::AccidentalBehind, Span::new(9, 10), "x"),
        );
        let document = sarif.document();
        let result = &document["runs"][0]["results"][0];
        assert_eq!(
            (&result["ruleId"], &result["level"]),
            (&json!("accidental-behind"), &json!("warning"))
        );
        let region = &result["locations"][0]["physicalLocation"]["region"];
        assert_eq!(
            (
                &region["startLine"],
                &region["startColumn"],
                &region["endColumn"]
            ),
            (&json!(3), &json!(2), &json!(3))
        );
        let rules = document["runs"][0]["tool"]["driver"]["rules"].as_array();
        assert_eq!(rules.map(Vec::len), Some(Code::ALL.len()));
    }
}
