//! [`Results`]: the file `results.csv`, one row per epoch, in the columns of Ultralytics 8.4.

use std::path::Path;

use anyhow::{Context as _, Result};
use bonsai_checkpoint::write_file;
use bonsai_train::{EpochRecord, EpochTiming};
use serde::{Deserialize, Serialize};

/// One epoch. A value that was not measured is NaN.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ResultsRow {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Seconds of training since it began, without the time between an interruption and its resumption.
    pub time: f64,
    /// Mean box loss.
    #[serde(rename = "train/box_loss")]
    pub train_box_loss: f64,
    /// Mean class loss.
    #[serde(rename = "train/cls_loss")]
    pub train_cls_loss: f64,
    /// Mean distribution loss.
    #[serde(rename = "train/dfl_loss")]
    pub train_dfl_loss: f64,
    /// Precision at the best mean F1.
    #[serde(rename = "metrics/precision(B)")]
    pub precision: f64,
    /// Recall at the best mean F1.
    #[serde(rename = "metrics/recall(B)")]
    pub recall: f64,
    /// Mean average precision at IoU 0.5.
    #[serde(rename = "metrics/mAP50(B)")]
    pub map50: f64,
    /// Mean average precision over IoU 0.5 to 0.95.
    #[serde(rename = "metrics/mAP50-95(B)")]
    pub map50_95: f64,
    /// Box loss on the validation split.
    #[serde(rename = "val/box_loss")]
    pub val_box_loss: f64,
    /// Class loss on the validation split.
    #[serde(rename = "val/cls_loss")]
    pub val_cls_loss: f64,
    /// Distribution loss on the validation split.
    #[serde(rename = "val/dfl_loss")]
    pub val_dfl_loss: f64,
    /// Learning rate of kernels.
    #[serde(rename = "lr/pg0")]
    pub lr_pg0: f64,
    /// Learning rate of gammas.
    #[serde(rename = "lr/pg1")]
    pub lr_pg1: f64,
    /// Learning rate of biases and betas.
    #[serde(rename = "lr/pg2")]
    pub lr_pg2: f64,
}

/// All epochs so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Results {
    /// One row per epoch, in order.
    pub rows: Vec<ResultsRow>,
}

impl Results {
    /// Reads the rows of a file up to epoch `epochs`: an interrupted training may have written the row of an
    /// epoch that it will repeat.
    ///
    /// # Errors
    /// If the file cannot be read or a row does not fit the columns.
    pub fn load(path: &Path, epochs: usize) -> Result<Self> {
        let mut reader =
            csv::Reader::from_path(path).with_context(|| format!("cannot read {}", path.display()))?;
        let rows = reader.deserialize().collect::<Result<Vec<ResultsRow>, _>>();
        let mut rows = rows.with_context(|| format!("{} is not valid", path.display()))?;
        rows.retain(|row| row.epoch <= epochs);
        Ok(Self { rows })
    }

    /// Adds an epoch.
    pub fn push(&mut self, record: &EpochRecord, timing: &EpochTiming) {
        let before = self.rows.last().map_or(0.0, |row| row.time);
        let evaluation =
            |pick: fn(&bonsai_train::Evaluation) -> f64| record.evaluation.as_ref().map_or(f64::NAN, pick);
        let lost = record.evaluation.and_then(|evaluation| evaluation.losses).map(|l| [l.bbox, l.cls, l.dfl]);
        let [val_box_loss, val_cls_loss, val_dfl_loss] = lost.unwrap_or([f64::NAN; 3]);
        self.rows.push(ResultsRow {
            epoch: record.epoch,
            time: before + timing.seconds,
            train_box_loss: record.box_loss,
            train_cls_loss: record.cls_loss,
            train_dfl_loss: record.dfl_loss,
            precision: evaluation(|e| e.precision),
            recall: evaluation(|e| e.recall),
            map50: evaluation(|e| e.map50),
            map50_95: evaluation(|e| e.map50_95),
            val_box_loss,
            val_cls_loss,
            val_dfl_loss,
            lr_pg0: record.lr,
            lr_pg1: record.lr,
            lr_pg2: record.bias_lr,
        });
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in &self.rows {
            writer.serialize(row)?;
        }
        Ok(write_file(path, &writer.into_inner()?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: usize) -> (EpochRecord, EpochTiming) {
        let record = EpochRecord {
            epoch,
            epochs: 3,
            box_loss: 1.5,
            cls_loss: 2.5,
            dfl_loss: 0.5,
            lr: 0.01,
            bias_lr: 0.1,
            l1_gamma: 0.0,
            distill_loss: None,
            evaluation: None,
        };
        (record, EpochTiming { seconds: 2.0, ..EpochTiming::default() })
    }

    #[test]
    fn the_columns_are_ultralytics_and_rows_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        let mut results = Results::default();
        for epoch in 1..=3 {
            let (record, timing) = record(epoch);
            results.push(&record, &timing);
        }
        results.save(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let header = "epoch,time,train/box_loss,train/cls_loss,train/dfl_loss,metrics/precision(B),metrics/recall(B),\
                      metrics/mAP50(B),metrics/mAP50-95(B),val/box_loss,val/cls_loss,val/dfl_loss,lr/pg0,lr/pg1,lr/pg2";
        assert_eq!(text.lines().next().unwrap(), header);
        assert_eq!(
            text.lines().nth(2).unwrap(),
            "2,4.0,1.5,2.5,0.5,NaN,NaN,NaN,NaN,NaN,NaN,NaN,0.01,0.01,0.1"
        );
        let again = Results::load(&path, 2).unwrap();
        assert_eq!(
            again.rows.iter().map(|row| (row.epoch, row.time)).collect::<Vec<_>>(),
            [(1, 2.0), (2, 4.0)]
        );
        std::fs::write(&path, format!("{header}\n1,x\n")).unwrap();
        assert!(Results::load(&path, 9).unwrap_err().to_string().contains("results.csv"));
    }
}
