//! Graphs from outside: their two written forms, shapes, cost, wires, and the folding pass; and classes matched by name.

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

/// A graph from its text form.
#[track_caller]
fn graph(text: &str) -> Graph {
    text.parse().unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// Checks that a message names everything that a user needs to find the fault.
#[track_caller]
fn assert_names(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
}
