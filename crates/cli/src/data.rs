//! `data`: checks a dataset, or writes it in another layout.

use std::path::PathBuf;

use anyhow::{Result, bail};
use bonsai_pipeline::jobs::{CheckedDataset, CheckedSplit, check_dataset, convert_dataset};
use bonsai_pipeline::{DatasetLayout, SplitFlaws, SplitKind, Statistics};
use bonsai_stages::before_writing;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::failure::DONE;
use crate::output::{eprint_line, is_json, name, say, tell};
use crate::terminal::Terminal;

/// Commands of `data`.
#[derive(Subcommand)]
pub(crate) enum Data {
    /// Read every image and label, and show what a training would use
    Check(Check),
    /// Write a dataset in the layout of YOLO, COCO or Pascal VOC
    Convert(Convert),
}

/// Arguments of `data check`.
#[derive(Args)]
pub(crate) struct Check {
    /// data.yaml, folder or COCO file
    #[arg(value_name = "DATASET")]
    dataset: PathBuf,
    /// Draw the first 16 images with their labels
    #[arg(long, short, value_name = "PICTURE")]
    out: Option<PathBuf>,
}

/// Arguments of `data convert`.
#[derive(Args)]
pub(crate) struct Convert {
    /// data.yaml, folder or COCO file
    #[arg(value_name = "DATASET")]
    dataset: PathBuf,
    /// Layout to write
    #[arg(long, value_name = "LAYOUT")]
    to: Layout,
    /// New or empty folder; images are linked into it, or copied if the file system cannot link
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
}

/// Values of `--to`.
#[derive(Clone, Copy, ValueEnum)]
enum Layout {
    /// `data.yaml`, `images/SPLIT` and `labels/SPLIT`
    Yolo,
    /// `annotations/instances_SPLIT.json`, and the images in `SPLIT`
    Coco,
    /// `Annotations`, `JPEGImages` and `ImageSets/Main`
    Voc,
}

pub(crate) fn run(command: &Data) -> Result<u8> {
    match command {
        Data::Check(args) => check(args),
        Data::Convert(args) => convert(args),
    }
}

fn check(args: &Check) -> Result<u8> {
    if let Some(picture) = &args.out {
        before_writing(&[&args.dataset], &[picture])?;
    }
    let found = check_dataset(&args.dataset, &mut Terminal::new())?;
    if let Some(picture) = &args.out {
        found.draw(picture)?;
        tell!("the first images with their labels are in {}", picture.display());
    }
    let problems = problems(&found);
    if is_json() {
        say!("{}", serde_json::to_string_pretty(&document(&found, &problems))?);
    } else {
        print(&found, &problems);
    }
    // A training without its test split measures on the validation split.
    for kind in [SplitKind::Train, SplitKind::Val] {
        let split = found.splits.iter().find(|split| split.kind == kind);
        if split.is_none_or(|split| split.statistics.is_err()) {
            bail!("the split `{}` cannot be used", kind.key());
        }
    }
    Ok(DONE)
}

/// What is wrong with the dataset as a whole, in sentences.
fn problems(found: &CheckedDataset) -> Vec<String> {
    let of = |kind: SplitKind| found.splits.iter().find(|split| split.kind == kind);
    let mut problems = Vec::new();
    for kind in [SplitKind::Train, SplitKind::Val] {
        if of(kind).is_none() {
            problems.push(format!("no `{}` split: a training needs one", kind.key()));
        }
    }
    for split in &found.splits {
        if let Err(reason) = &split.statistics {
            problems.push(reason.clone());
        }
    }
    let objects = |kind: SplitKind, class: usize| -> Option<usize> {
        Some(of(kind)?.statistics.as_ref().ok()?.classes[class].objects)
    };
    for (class, called) in found.class_names.iter().enumerate() {
        if objects(SplitKind::Train, class) == Some(0) {
            problems.push(format!(
                "class {class} ({}) has no object in train: it cannot be learned",
                name(called)
            ));
        } else if objects(SplitKind::Val, class) == Some(0) {
            problems.push(format!(
                "class {class} ({}) has no object in val: it cannot be measured",
                name(called)
            ));
        }
    }
    for shared in &found.shared {
        let [a, b] = shared.splits.map(SplitKind::key);
        let [first, twin] = shared.first.each_ref().map(|path| path.display());
        problems.push(format!(
            "{} images of {b} are also in {a} (first {twin}, the same as {first}): metrics on them are too high",
            shared.count
        ));
    }
    problems
}

fn print(found: &CheckedDataset, problems: &[String]) {
    let usable: Vec<(&CheckedSplit, &Statistics)> =
        found.splits.iter().filter_map(|split| Some((split, split.statistics.as_ref().ok()?))).collect();
    if !usable.is_empty() {
        let columns: Vec<String> =
            usable.iter().map(|(split, _)| format!("{:>9}", split.kind.key())).collect();
        say!("{:>20} {}", "", columns.join(" "));
        let row = |what: &str, value: &dyn Fn(&Statistics) -> String| {
            let cells: Vec<String> = usable.iter().map(|(_, s)| format!("{:>9}", value(s))).collect();
            say!("{what:>20} {}", cells.join(" "));
        };
        row("images", &|s| s.images.to_string());
        row("backgrounds", &|s| s.backgrounds.to_string());
        row("objects", &|s| s.objects().to_string());
        for (class, called) in found.class_names.iter().enumerate() {
            row(&short(called), &|s| s.classes[class].objects.to_string());
        }
        row("below 32 px", &|s| s.sizes[0].to_string());
        row("32 to 96 px", &|s| s.sizes[1].to_string());
        row("96 px and more", &|s| s.sizes[2].to_string());
        row("smallest image", &|s| format!("{}x{}", s.widths[0], s.heights[0]));
        row("median image", &|s| format!("{}x{}", s.widths[1], s.heights[1]));
        row("largest image", &|s| format!("{}x{}", s.widths[2], s.heights[2]));
    }
    for line in found.splits.iter().filter_map(|split| split.flaws.as_ref()).flat_map(SplitFlaws::digest) {
        say!("{line}");
    }
    for problem in problems {
        say!("problem: {problem}");
    }
    if problems.is_empty()
        && found.splits.iter().all(|s| s.flaws.as_ref().is_some_and(|f| f.kinds.is_empty()))
    {
        say!("no flaws were found");
    }
}

/// A name that fits the first column.
fn short(called: &str) -> String {
    const WIDTH: usize = 20;
    let called = name(called);
    if called.chars().count() <= WIDTH {
        return called;
    }
    called.chars().take(WIDTH - 3).chain("...".chars()).collect()
}

fn document(found: &CheckedDataset, problems: &[String]) -> serde_json::Value {
    let split = |split: &CheckedSplit| {
        let numbers = split.statistics.as_ref().ok().map(|s| {
            let classes: Vec<_> =
                s.classes.iter().map(|c| json!({ "objects": c.objects, "images": c.images })).collect();
            json!({
                "images": s.images, "backgrounds": s.backgrounds, "objects": s.objects(), "classes": classes,
                "small_medium_large": s.sizes, "widths": s.widths, "heights": s.heights,
            })
        });
        json!({ "split": split.kind.key(), "statistics": numbers, "flaws": split.flaws })
    };
    let splits: Vec<_> = found.splits.iter().map(split).collect();
    json!({ "classes": found.class_names, "splits": splits, "problems": problems })
}

fn convert(args: &Convert) -> Result<u8> {
    let layout = match args.to {
        Layout::Yolo => DatasetLayout::Yolo,
        Layout::Coco => DatasetLayout::Coco,
        Layout::Voc => DatasetLayout::Voc,
    };
    let converted = convert_dataset(&args.dataset, layout, &args.out, &mut Terminal::new())?;
    let images: usize = converted.scans.iter().map(|(_, scan)| scan.images).sum();
    let objects: usize = converted.scans.iter().map(|(_, scan)| scan.instances).sum();
    if is_json() {
        let dataset = converted.dataset.display().to_string();
        say!(
            "{}",
            serde_json::to_string_pretty(
                &json!({ "dataset": dataset, "images": images, "objects": objects })
            )?
        );
    } else {
        eprint_line!(
            "{images} images and {objects} objects written; pass --data {}",
            converted.dataset.display()
        );
    }
    Ok(DONE)
}
