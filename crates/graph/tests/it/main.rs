//! Tests of the public interface: text and JSON forms, shapes, cost, wires, batch norm folding, and class
//! matching.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod class_map;
mod cost;
mod deep;
mod detector;
mod fold;
mod json;
mod random;
mod shape;
mod text;
mod wires;

use bonsai_graph::Graph;

/// Parses a graph from its text form.
#[track_caller]
fn graph(text: &str) -> Graph {
    text.parse().unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// Checks that a message contains all `parts` that a user needs to find the fault.
#[track_caller]
fn assert_names(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
}
