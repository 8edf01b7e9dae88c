//! [`checks`]: whether exported files agree with their checkpoints.

use bonsai_graph::{ClassMap, MatchedBy};
use bonsai_stages::{Parity, ParityLimits};
use bonsai_tensorrt::EnginePrecision;

use crate::headline::times;
use crate::{BuiltFile, CheckVerdict, Group, NotRun, ReportCheck, Row};

/// Largest accepted difference of mAP50-95 between a CPU engine and its checkpoint: another order of
/// summation sometimes moves a box across a threshold.
const ENGINE: f64 = 2e-3;
/// Largest accepted loss of mAP50-95 in 8-bit integers.
const INT8: f64 = 0.02;
/// Largest accepted difference between the speeds of networks of equal structure.
const EQUAL: f64 = 0.15;

/// An ONNX file and how far it is from its checkpoint.
pub struct Exported {
    /// Precision of the file.
    pub precision: EnginePrecision,
    /// How far its outputs are from those of the checkpoint.
    pub parity: Parity,
}

/// All checks; failed ones come first.
pub fn checks(
    exported: &[Exported],
    rows: &[Row],
    made: &[BuiltFile],
    not_run: &[NotRun],
) -> Vec<ReportCheck> {
    let mut checks: Vec<ReportCheck> = [EnginePrecision::Fp32, EnginePrecision::Fp16, EnginePrecision::Int8]
        .into_iter()
        .filter_map(|precision| parity(precision, exported))
        .collect();
    checks.extend(engines(rows));
    checks.extend(equal_times(rows));
    checks.extend(int8(rows));
    for engine in made {
        let what =
            format!("{} of the {} network in {} was built", engine.what, engine.network, engine.precision);
        checks.push(ReportCheck { what, verdict: CheckVerdict::Passed });
    }
    for missing in not_run {
        let what = format!("{}: not run, because {}", missing.what, missing.short());
        checks.push(ReportCheck { what, verdict: CheckVerdict::NotRun });
    }
    checks.sort_by_key(|check| check.verdict);
    checks
}

/// Checks of networks whose classes differ from those of the dataset, for example because the network comes
/// from an earlier run. A check fails if the metrics do not cover all classes, or if the classes were not
/// matched by name.
pub fn other_classes<'a>(evaluation: impl Iterator<Item = (&'a str, &'a ClassMap)>) -> Vec<ReportCheck> {
    let mut maps: Vec<(Vec<&str>, &ClassMap)> = Vec::new();
    for (name, classes) in evaluation.filter(|(_, classes)| !classes.is_plain()) {
        match maps.iter_mut().find(|(_, known)| *known == classes) {
            Some((names, _)) => names.push(name),
            None => maps.push((vec![name], classes)),
        }
    }
    let check = |(names, classes): (Vec<&str>, &ClassMap)| {
        let all = classes.missing().chain(classes.surplus()).next().is_none();
        ReportCheck {
            what: format!("{}: {classes}", names.join(", ")),
            verdict: verdict(all && classes.matched_by() == MatchedBy::Name),
        }
    };
    maps.into_iter().map(check).collect()
}

fn verdict(passed: bool) -> CheckVerdict {
    if passed { CheckVerdict::Passed } else { CheckVerdict::Failed }
}

/// The check of the ONNX files of one precision, with their largest differences.
fn parity(precision: EnginePrecision, exported: &[Exported]) -> Option<ReportCheck> {
    let of: Vec<&Parity> = exported.iter().filter(|e| e.precision == precision).map(|e| &e.parity).collect();
    let ParityLimits { box_px, box_share, score, .. } = of.first()?.limits;
    let largest = |of_file: fn(&Parity) -> f32| of.iter().map(|parity| of_file(parity)).fold(0.0, f32::max);
    let px = digits(largest(|parity| parity.worst_box_px));
    let scores = digits(largest(|parity| parity.worst_score));
    let boxes = if of.iter().any(|parity| parity.boxes == 0) {
        "no box had a score to be compared".to_owned()
    } else if box_share > 0.0 {
        let share = 100.0 * largest(|parity| parity.worst_box_share);
        let of_box = if share > 0.0 { format!(", {share:.0} % of a box") } else { String::new() };
        format!("boxes within {px} px{of_box} (limit {box_px} px, or {:.0} % of the box)", 100.0 * box_share)
    } else {
        format!("boxes within {px} px (limit {box_px})")
    };
    let what = format!("ONNX in {precision} = checkpoint: {boxes}, scores within {scores} (limit {score})");
    Some(ReportCheck { what, verdict: verdict(of.iter().all(|parity| parity.agrees)) })
}

/// Two decimals, or one significant digit of a number below 0.01.
fn digits(value: f32) -> String {
    if value == 0.0 || value >= 0.01 { format!("{value:.2}") } else { format!("{value:.0e}") }
}

fn engines(rows: &[Row]) -> Option<ReportCheck> {
    let differences = rows.iter().filter(|row| row.is_cpu_engine()).filter_map(|engine| {
        // A checkpoint computes in one precision, its engines in two.
        let is_source = |row: &&Row| row.name == engine.network && row.precision == engine.precision;
        let checkpoint = rows.iter().find(is_source)?;
        Some((engine.map50_95 - checkpoint.map50_95).abs())
    });
    let worst = differences.reduce(f64::max)?;
    let what = format!("CPU engine = checkpoint: mAP50-95 differs by {worst:.4} (limit {ENGINE})");
    Some(ReportCheck { what, verdict: verdict(worst <= ENGINE) })
}

/// The check that networks of equal structure have equal speeds, which fails if other programs disturbed the
/// measurement. It looks at the speeds, which the headline states; wall-clock times of a few milliseconds differ by
/// more with the cores on which the system runs the threads.
fn equal_times(rows: &[Row]) -> Option<ReportCheck> {
    let pairs = rows.iter().enumerate().flat_map(|(i, a)| rows[..i].iter().map(move |b| (b, a)));
    let is_equal =
        |(a, b): &(&Row, &Row)| (a.macs, a.precision, &a.runner) == (b.macs, b.precision, &b.runner);
    let factor = |(a, b): (&Row, &Row)| {
        let [a, b] = [a, b].map(|row| row.speed.times);
        a.max(b) / a.min(b)
    };
    let (a, b) = pairs.filter(is_equal).max_by(|a, b| factor(*a).total_cmp(&factor(*b)))?;
    let difference = factor((a, b)) - 1.0;
    let passed = difference <= EQUAL;
    let mut what = format!(
        "networks of equal structure are equally fast: they differ by {:.0} % (limit {:.0} %)",
        100.0 * difference,
        100.0 * EQUAL
    );
    if !passed {
        what = format!(
            "{what}: {} {}, {} {}; other programs disturbed the measurement, so repeat it on an idle machine with --force \
             report",
            a.name,
            times(&a.speed),
            b.name,
            times(&b.speed)
        );
    }
    Some(ReportCheck { what, verdict: verdict(passed) })
}

/// The checks of the loss that 8-bit integers cost the fine-tuned network, one for each of its files.
fn int8(rows: &[Row]) -> Vec<ReportCheck> {
    let tuned =
        |precision| rows.iter().filter(move |row| row.network == "fine-tuned" && row.precision == precision);
    let Some(whole) = tuned(EnginePrecision::Fp32).next() else { return Vec::new() };
    let files = tuned(EnginePrecision::Int8).filter(|row| row.group == Group::Export);
    let check = |coarse: &Row| {
        let file = coarse.name.split(',').next().unwrap_or_default();
        let loss = whole.map50_95 - coarse.map50_95;
        let what = if loss >= 0.0005 {
            format!("{file} loses {loss:.3} mAP50-95 (limit {INT8})")
        } else {
            format!("{file} loses nothing (limit {INT8} mAP50-95)")
        };
        ReportCheck { what, verdict: verdict(loss <= INT8) }
    };
    files.map(check).collect()
}

#[cfg(test)]
mod tests {
    use bonsai_graph::Size;

    use super::*;
    use bonsai_stages::{Latency, Speed};

    fn row(name: &str, network: &str, precision: EnginePrecision, map50_95: f64) -> Row {
        Row {
            name: name.to_owned(),
            network: network.to_owned(),
            file: String::new(),
            precision,
            runner: "cpu".to_owned(),
            group: Group::Export,
            map50: 0.9,
            map50_95,
            change: None,
            params: 1,
            macs: 1,
            bytes: 1,
            latency: Latency { p50_ms: 1.0, p95_ms: 1.0, cpu_ms: None },
            speed: Speed { times: 1.0, low: 1.0, high: 1.0 },
        }
    }

    fn exported(precision: EnginePrecision, px: f32, agrees: bool) -> Exported {
        let parity = Parity {
            reader: "rten".to_owned(),
            images: 1,
            size: Size::square(64),
            boxes: 1,
            scores: 1,
            confidence: None,
            unmatched: 0,
            worst_box_px: px,
            worst_box_share: 0.0,
            boxes_beyond: 0,
            worst_score: 0.0,
            limits: ParityLimits::FP32,
            agrees,
        };
        Exported { precision, parity }
    }

    #[test]
    fn failed_checks_come_first() {
        let rows = [
            row("fine-tuned", "fine-tuned", EnginePrecision::Fp32, 0.5),
            row("CPU engine, fine-tuned", "fine-tuned", EnginePrecision::Fp32, 0.5),
            row("ONNX int8, fine-tuned", "fine-tuned", EnginePrecision::Int8, 0.4),
        ];
        let not_run =
            [NotRun { what: "TensorRT engine".to_owned(), because: "none found; looked at a, b".to_owned() }];
        let exported =
            [exported(EnginePrecision::Fp32, 0.001, true), exported(EnginePrecision::Fp32, 0.002, true)];
        let found = checks(&exported, &rows, &[], &not_run);
        let said: Vec<(&str, CheckVerdict)> = found.iter().map(|c| (c.what.as_str(), c.verdict)).collect();
        assert_eq!(said[0], ("ONNX int8 loses 0.100 mAP50-95 (limit 0.02)", CheckVerdict::Failed));
        assert!(said[1].0.starts_with("ONNX in fp32 = checkpoint: boxes within 2e-3 px (limit 0.01)"));
        assert_eq!(said[2].1, CheckVerdict::Passed);
        assert!(said[3].0.starts_with("networks of equal structure"), "{said:?}");
        assert_eq!(said[4], ("TensorRT engine: not run, because none found", CheckVerdict::NotRun));
    }

    #[test]
    fn equal_networks_must_be_equally_fast() {
        let mut rows = ["baseline", "CPU engine, baseline", "ONNX fp32, baseline"]
            .map(|name| row(name, "baseline", EnginePrecision::Fp32, 0.5));
        rows[2].runner = "rten".to_owned();
        rows[2].speed.times = 9.0;
        rows[1].speed.times = 1.1;
        let check = equal_times(&rows).unwrap();
        assert!(check.what.contains("differ by 10 %") && check.verdict == CheckVerdict::Passed, "{check:?}");
        rows[1].speed = Speed { times: 33.6, low: 33.0, high: 34.0 };
        let check = equal_times(&rows).unwrap();
        assert!(
            check.what.contains("baseline 1.0\u{d7}, CPU engine, baseline 34\u{d7} (33 to 34)"),
            "{check:?}"
        );
        assert_eq!(check.verdict, CheckVerdict::Failed);
        rows[1].macs = 2;
        assert_eq!(equal_times(&rows), None);
    }

    #[test]
    fn a_file_out_of_its_limits_fails() {
        let found = checks(&[exported(EnginePrecision::Fp16, 9.0, false)], &[], &[], &[]);
        assert_eq!(found[0].verdict, CheckVerdict::Failed);
    }

    #[test]
    fn networks_with_other_classes_share_a_check_that_fails_if_metrics_miss_classes() {
        let map =
            |network: [&str; 2]| ClassMap::new(&network.map(str::to_owned), &["a", "b"].map(str::to_owned));
        let plain = map(["a", "b"]);
        let turned = map(["b", "a"]);
        let partly = map(["b", "c"]);
        let numbers = map(["0", "1"]);
        let evaluation = [("w", &plain), ("x", &turned), ("y", &partly), ("z", &turned), ("n", &numbers)];
        let checks = other_classes(evaluation.into_iter());
        let verdicts: Vec<_> = checks.iter().map(|check| check.verdict).collect();
        assert_eq!(verdicts, [CheckVerdict::Passed, CheckVerdict::Failed, CheckVerdict::Failed]);
        assert!(checks[0].what.starts_with("x, z: classes are matched by name"), "{}", checks[0].what);
    }
}
