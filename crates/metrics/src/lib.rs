#![doc = include_str!("../README.md")]

mod average_precision;
mod bootstrap;
mod coco;
mod confusion_matrix;
mod curve;
mod curves;
mod evaluator;
mod interpolation;
mod matching;
mod ranking;
mod tally;

pub use average_precision::ApIntegration;
pub use bootstrap::{Change, ImageOutcomes, PairedChange, RESAMPLES, Unpaired, Verdict};
pub use coco::{CocoDetection, CocoEvaluator, CocoMetrics, CocoTruth};
pub use confusion_matrix::{ClassOutOfRange, ConfusionMatrix};
pub use curve::{Curve, Peak};
pub use curves::{ClassCurves, CurveSet, Curves};
pub use evaluator::{ClassMetrics, DetMetrics, Evaluator, Protocol};
pub use matching::{IOU_THRESHOLDS, Matching};
