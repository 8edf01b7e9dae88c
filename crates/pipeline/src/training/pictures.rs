//! [`Sheet`] and functions that write the pictures of a training, drawn by `bonsai-plots`. Each file is
//! written whole or not at all.

use std::path::Path;

use anyhow::Result;
use bonsai_boxes::{Cxcywh, Detection, Xyxy};
use bonsai_checkpoint::write_file;
use bonsai_data::{Batch, Split, Target};
use bonsai_metrics::{Curve, CurveSet, DetMetrics};
use bonsai_plots::{
    CellValue, ClassCurve, CurveKind, CurvePlot, EpochFigures, LabelBox, Losses, RgbImage, Tile, TileBox,
    draw_confusion_matrix, draw_curves, draw_grid, draw_labels, draw_results,
};
use bonsai_stages::{Evaluation, write_picture};

use super::{Results, TrainDir};
use crate::GammaHistory;

/// Number of batches that are drawn, of training and of validation.
pub(crate) const SHOWN_BATCHES: usize = 3;

/// Draws the number of objects per class, and their places and sizes, to `path`.
pub(crate) fn labels(split: &Split, path: &Path) -> Result<()> {
    let boxes: Vec<_> = split
        .samples
        .iter()
        .flat_map(|sample| &sample.labels)
        .map(|label| LabelBox { class_id: label.class_id, bbox: label.bbox })
        .collect();
    write_picture(&draw_labels(&boxes, &split.class_names)?, path)
}

/// Images of a batch with boxes, ready to be drawn, in a quarter of the memory of the batch.
pub(super) struct Sheet {
    tiles: Vec<(RgbImage, String, Vec<TileBox>)>,
}

impl Sheet {
    /// A batch with its labels.
    pub(super) fn labelled(batch: &Batch, split: &Split) -> Self {
        Self::new(batch, split, |image| {
            let targets = batch.targets.iter().filter(|target| target.image == image);
            let boxed = |t: &Target| TileBox {
                bbox: in_pixels(t.bbox, batch),
                class_id: t.class_id,
                confidence: None,
            };
            targets.map(boxed).collect()
        })
    }

    /// A batch with its detections.
    fn detected(batch: &Batch, found: &[Vec<Detection>], split: &Split) -> Self {
        Self::new(batch, split, |image| {
            let boxed = |d: &Detection| TileBox {
                bbox: d.bbox,
                class_id: d.class_id,
                confidence: Some(d.confidence),
            };
            found[image].iter().map(boxed).collect()
        })
    }

    fn new(batch: &Batch, split: &Split, boxes: impl Fn(usize) -> Vec<TileBox>) -> Self {
        let [_, _, h, w] = batch.shape;
        let tile = |(image, planes): (usize, &[f32])| {
            let path = &split.samples[batch.samples[image]].image_path;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (picture(planes, w, h), name, boxes(image))
        };
        Self { tiles: batch.images.chunks_exact(3 * h * w).enumerate().map(tile).collect() }
    }

    /// Draws the sheet and writes it to `path`.
    pub(super) fn write(&self, class_names: &[String], path: &Path) -> Result<()> {
        let tiles: Vec<_> =
            self.tiles.iter().map(|(image, name, boxes)| Tile { image, name, boxes }).collect();
        write_picture(&draw_grid(&tiles, class_names)?, path)
    }
}

/// Writes the labels and the detections of a batch of validation, if it is one of the first.
pub(crate) fn validation_batch(
    number: usize,
    batch: &Batch,
    found: &[Vec<Detection>],
    split: &Split,
    folder: &Path,
) -> Result<()> {
    if number >= SHOWN_BATCHES {
        return Ok(());
    }
    let path = |what: &str| folder.join(format!("val_batch{number}_{what}.jpg"));
    Sheet::labelled(batch, split).write(&split.class_names, &path("labels"))?;
    Sheet::detected(batch, found, split).write(&split.class_names, &path("pred"))
}

/// Converts planes of values in 0..=1 to a picture.
fn picture(planes: &[f32], w: usize, h: usize) -> RgbImage {
    RgbImage::from_fn(w as u32, h as u32, |x, y| {
        let at = y as usize * w + x as usize;
        image::Rgb([0, 1, 2].map(|plane| (planes[plane * w * h + at] * 255.0).round() as u8))
    })
}

fn in_pixels(bbox: Cxcywh, batch: &Batch) -> Xyxy {
    let w = batch.shape[3] as f32;
    let h = batch.shape[2] as f32;
    let b = Xyxy::from(bbox);
    Xyxy { x1: b.x1 * w, y1: b.y1 * h, x2: b.x2 * w, y2: b.y2 * h }
}

/// Draws losses and metrics over the epochs to `path`.
pub(crate) fn results(results: &Results, path: &Path) -> Result<()> {
    let figures: Vec<_> = results
        .rows
        .iter()
        .map(|row| EpochFigures {
            epoch: row.epoch,
            train: Losses { bbox: row.train_box_loss, cls: row.train_cls_loss, dfl: row.train_dfl_loss },
            val: Losses { bbox: row.val_box_loss, cls: row.val_cls_loss, dfl: row.val_dfl_loss },
            precision: row.precision,
            recall: row.recall,
            map50: row.map50,
            map50_95: row.map50_95,
        })
        .collect();
    write_picture(&draw_results(&figures)?, path)
}

/// Writes `gammas.png`.
pub(super) fn gammas(history: &GammaHistory, dir: &TrainDir) -> Result<()> {
    write_picture(&history.draw()?, &dir.picture("gammas.png"))
}

/// Selects the curve that a picture shows.
type View = fn(&CurveSet) -> &Curve;

/// Writes confusion matrices and curves.
pub(crate) fn evaluation(evaluation: &Evaluation, names: &[String], folder: &Path) -> Result<()> {
    let matrix = &evaluation.confusion;
    for (name, value) in [
        ("confusion_matrix.png", CellValue::Count),
        ("confusion_matrix_normalized.png", CellValue::ShareOfTrueClass),
    ] {
        write_picture(&draw_confusion_matrix(matrix.counts(), names, value)?, &folder.join(name))?;
    }
    let curves: [(&str, CurveKind, View); 4] = [
        ("P_curve.png", CurveKind::Precision, |c| &c.precision),
        ("R_curve.png", CurveKind::Recall, |c| &c.recall),
        ("F1_curve.png", CurveKind::F1, |c| &c.f1),
        ("PR_curve.png", CurveKind::PrecisionRecall, |c| &c.precision_over_recall),
    ];
    for (name, kind, pick) in curves {
        let over_recall = matches!(kind, CurveKind::PrecisionRecall);
        let figure = |class_id: usize| {
            let class = evaluation.metrics.per_class.iter().find(|class| class.class_id == class_id);
            class.filter(|_| over_recall).map(|class| class.ap50)
        };
        let classes: Vec<_> = evaluation
            .curves
            .per_class
            .iter()
            .map(|c| ClassCurve {
                class_id: c.class_id,
                values: pick(&c.curves).values(),
                figure: figure(c.class_id),
            })
            .collect();
        let mean = pick(&evaluation.curves.mean);
        let peak = mean.smoothed_peak();
        let plot = CurvePlot {
            kind,
            classes: &classes,
            mean: mean.values(),
            mean_figure: over_recall.then_some(evaluation.metrics.map50),
            best: matches!(kind, CurveKind::F1).then_some((peak.position, peak.value)),
        };
        write_picture(&draw_curves(&plot, names)?, &folder.join(name))?;
    }
    Ok(())
}

/// Writes the metrics as JSON.
pub(super) fn metrics(metrics: &DetMetrics, dir: &TrainDir) -> Result<()> {
    Ok(write_file(dir.metrics(), &serde_json::to_vec_pretty(metrics)?)?)
}
