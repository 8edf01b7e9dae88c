//! The metrics compared with Ultralytics' own code, and their properties.

#![allow(clippy::unwrap_used, reason = "a test reports a broken fixture by panicking")]

mod bootstrap;
mod coco;
mod confusion;
mod curves;
mod laws;
mod random_boxes;
mod ultralytics;
