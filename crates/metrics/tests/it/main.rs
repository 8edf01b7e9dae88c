//! The metrics against Ultralytics' own code, and the laws they obey.

#![allow(clippy::unwrap_used, reason = "a test reports a broken fixture by panicking")]

mod bootstrap;
mod coco;
mod confusion;
mod curves;
mod laws;
mod random_boxes;
mod ultralytics;
