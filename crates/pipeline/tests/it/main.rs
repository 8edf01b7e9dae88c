//! Tests of the pipeline: a whole run at its smallest, a second run, exported files, and refused settings.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod advice;
mod calibration;
mod classes;
mod codes;
mod control;
mod damaged_images;
mod engine_settings;
mod given_baseline;
mod interrupted;
mod largest_batch;
mod parity;
mod ranks;
mod refusals;
mod road;
mod settings_file;
mod settings_range;
mod start;
mod tiny_run;
mod ultralytics;
mod ultralytics_file;
mod whole;
