//! Trainings on synthetic batches.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod batch_size;
mod class_weights;
mod classes;
mod codes;
mod divergence;
mod features;
mod loss_decides;
mod noise;
mod ranks;
mod records;
mod resume;
mod schedule;
mod steps;
mod training;
