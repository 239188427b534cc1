//! The figures of a model for people: a table, and a report of several files.
//!
//! In: figures, and what they were taken of. Out: texts. Writes no file.

use super::measure::{Figures, Measured, SetFigures};
use crate::critic::features::Melody;
use crate::critic::histogram::Counted;
use crate::model::checkpoint::EpochBits;
use crate::picture::plot::{self, Series};
use std::fmt::Write;

/// Tells shown of each set.
const TELLS_SHOWN: usize = 8;
/// Bars of the picture of which bars are like which.
const MATRIX_BARS: usize = 32;

/// The figures as a table: people's held-out tunes, drafts, kept tunes.
pub fn table(figures: &Figures) -> String {
    let mut text = format!(
        "held-out bits a note: validation {:.3} ({:+.4} as it is asked), test {:.3} ({} tunes, {} notes)\n\n",
        figures.valid_bits_a_note,
        figures.asking_costs,
        figures.test_bits_a_note,
        figures.test_tunes,
        figures.test_notes
    );
    let sets = [&figures.people, &figures.raw, &figures.kept];
    let mut row = |name: &str, value: &dyn Fn(&SetFigures) -> String| {
        let [people, raw, kept] = sets.map(value);
        let _ = writeln!(text, "{name:<44}{people:>12}{raw:>12}{kept:>12}"); // a String takes all text
    };
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    row("", &|_| String::new());
    row("tunes (held-out, drafts, kept)", &|set| {
        set.tunes.to_string()
    });
    row("add up", &|set| percent(set.adds_up));
    for lag in [1, 2, 4, 8] {
        row(&format!("same bar {lag} ago, reels and jigs"), &|set| {
            let share = set.self_identity.get(lag - 1).copied();
            format!("{:.3}", share.unwrap_or(0.0))
        });
    }
    row("end on the tonic", &|set| percent(set.ends_on_tonic));
    row("lowest note, mean", &|set| format!("{:.1}", set.range.0));
    row("highest note, mean", &|set| format!("{:.1}", set.range.1));
    row("longest familiar passage, median", &|set| {
        set.familiar_passage_median.to_string()
    });
    row("longest familiar passage, largest", &|set| {
        set.familiar_passage_max.to_string()
    });
    row("overlapped area, mean of mgeval's", &|set| {
        format!("{:.3}", set.overlapped_area)
    });
    for index in 0..figures.people.overlaps.len() {
        let name = &figures.people.overlaps[index].0;
        row(&format!("  {name}: area"), &|set| {
            found(&set.overlaps, index).0
        });
        row(&format!("  {name}: KLD"), &|set| {
            found(&set.overlaps, index).1
        });
    }
    for index in 0..figures.people.histograms.len() {
        let name = &figures.people.histograms[index].0;
        row(&format!("histogram of {name}: area"), &|set| {
            found(&set.histograms, index).0
        });
        row(&format!("histogram of {name}: KLD"), &|set| {
            found(&set.histograms, index).1
        });
    }
    let told = |area: Option<f64>| area.map_or("too few".to_owned(), |area| format!("{area:.3}"));
    let _ = writeln!(
        text,
        "\nkept tunes a second of a thread: {:.2}\n\ntold from the book's tunes that choosing never saw by a critic that it never \
         hears, two parts of 8 bars each twice on both sides, AUC (.5: not at all)",
        figures.kept_a_second
    );
    let columns = ["", "the book", "drafts", "kept"];
    let row = |cells: [&str; 4]| {
        let [name, book, drafts, kept] = cells;
        format!("{name:<44}{book:>12}{drafts:>12}{kept:>12}\n")
    };
    text += &row(columns);
    let (of_book, of_drafts) = (figures.second_critic_people, figures.second_critic_drafts);
    let (structure, of_book_structure) = figures.second_critic_structure;
    for (name, areas) in [
        ("everything", [of_book, of_drafts.0, figures.second_critic]),
        (
            "structure alone",
            [of_book_structure, of_drafts.1, structure],
        ),
    ] {
        let [book, drafts, kept] = areas.map(told);
        text += &row([name, &book, &drafts, &kept]);
    }
    text += "\nwhat is heard (of two parts of 8 bars)\n";
    for (habit, shares) in &figures.heard {
        let [book, drafts, kept] =
            shares.map(|share| share.map_or("–".to_owned(), |share| format!("{share:.3}")));
        text += &row([habit, &book, &drafts, &kept]);
    }
    text.push('\n');
    for (name, set) in [("drafts", &figures.raw), ("kept tunes", &figures.kept)] {
        let refused: Vec<String> = set
            .refusals
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        let _ = writeln!(text, "refused, {name}: {}", refused.join(", "));
        let tells: Vec<String> = set
            .tells
            .iter()
            .take(TELLS_SHOWN)
            .map(|(tell, up, far)| format!("{tell} {up:+.2} {far:+.2}"))
            .collect();
        let _ = writeln!(text, "what gives the {name} away: {}", tells.join("; "));
    }
    text
}

fn found(all: &[(String, f64, f64)], index: usize) -> (String, String) {
    all.get(index).map_or_else(
        || ("–".to_owned(), "–".to_owned()),
        |(_, area, divergence)| (format!("{area:.3}"), format!("{divergence:.4}")),
    )
}

/// The files of a report with their names: `report.txt`, `report.json`, `raw.abc`, `kept.abc` and plots.
///
/// # Errors
/// A figure that JSON cannot hold.
pub fn files(
    measured: &Measured,
    history: &[EpochBits],
) -> serde_json::Result<Vec<(String, String)>> {
    let figures = &measured.figures;
    let mut files = vec![
        ("report.txt".to_owned(), table(figures)),
        (
            "report.json".to_owned(),
            serde_json::to_string_pretty(figures)? + "\n",
        ),
        ("raw.abc".to_owned(), measured.raw_abc.join("\n")),
        ("kept.abc".to_owned(), measured.kept_abc.join("\n")),
    ];
    let plots = plots(measured, history).into_iter();
    files.extend(plots.map(|(name, svg)| (format!("{name}.svg"), svg)));
    Ok(files)
}

/// All plots with their names.
fn plots(measured: &Measured, history: &[EpochBits]) -> Vec<(&'static str, String)> {
    let sets = [
        ("learnt from", &measured.learnt),
        ("held out", &measured.people),
        ("drafts", &measured.raw),
        ("kept", &measured.kept),
    ];
    let histogram = |counted: Counted| {
        let series = sets.map(|(name, melodies)| Series {
            name,
            values: counted.shares(melodies),
        });
        plot::bars(
            &format!("Share of notes by {}", counted.name()),
            &counted.classes(),
            &series,
        )
    };
    let figures = &measured.figures;
    let curve = |name, set: &SetFigures| Series {
        name,
        values: (1..)
            .map(f64::from)
            .zip(set.self_identity.iter().copied())
            .collect(),
    };
    let identity = [
        curve("held out", &figures.people),
        curve("drafts", &figures.raw),
        curve("kept", &figures.kept),
    ];
    let loss = |name, value: fn(&EpochBits) -> f64| Series {
        name,
        values: (1..)
            .map(f64::from)
            .zip(history.iter().map(value))
            .collect(),
    };
    vec![
        (
            "loss",
            plot::lines(
                "Bits a note while learning",
                "epoch",
                &[
                    loss("taught, units left out", |epoch| epoch.train),
                    loss("validation", |epoch| epoch.validation),
                ],
            ),
        ),
        ("pitch", histogram(Counted::PitchClass)),
        ("interval", histogram(Counted::Interval)),
        ("length", histogram(Counted::Length)),
        (
            "self-identity",
            plot::lines(
                "Share of bars equal to an earlier one, reels and jigs",
                "bars ago",
                &identity,
            ),
        ),
        (
            "bars-of-people",
            plot::matrix(
                "Which bars are the same, held-out tunes",
                &likeness(&measured.people),
            ),
        ),
        (
            "bars-of-kept",
            plot::matrix(
                "Which bars are the same, kept tunes",
                &likeness(&measured.kept),
            ),
        ),
    ]
}

/// How often bar `row` is the same as bar `column`, of the tunes that have both.
fn likeness(melodies: &[Melody]) -> Vec<Vec<f64>> {
    let cell = |row: usize, column: usize| {
        let long = melodies
            .iter()
            .filter(|melody| melody.bar_count() > row.max(column));
        let (same, count) = long.fold((0.0, 0.0), |(same, count), melody| {
            (
                same + f64::from(u8::from(melody.is_same(row, column))),
                count + 1.0,
            )
        });
        same / f64::max(count, 1.0)
    };
    (0..MATRIX_BARS)
        .map(|row| (0..MATRIX_BARS).map(|column| cell(row, column)).collect())
        .collect()
}
