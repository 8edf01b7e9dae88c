//! Trainings on made-up batches.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

mod classes;
mod divergence;
mod features;
mod loss_decides;
mod noise;
mod records;
mod resume;
mod schedule;
mod steps;
mod training;
