//! Tests of the text form: a known answer, round trips, and malformed text.

use bonsai_graph::Graph;

use crate::detector::detector;
use crate::{assert_names, graph};

#[test]
fn a_detector_goes_there_and_back() {
    let graph = detector().graph().clone();
    let text = graph.to_string();
    assert_eq!(text.parse(), Ok(graph));
    assert_eq!(text.parse::<Graph>().unwrap().to_string(), text);
}

#[test]
fn every_layer_is_written_as_documented() {
    let text = "\
images = input() channels=3
a = conv2d(images) out_channels=4 kernel=3 stride=2 padding=1 bias=false
b = batch_norm(a) eps=0.001 momentum=0.03
c = silu(b)
d = add(b, c)
e = concat(c, d, c)
f = slice(e) start=3 len=5
g = max_pool(f) kernel=5 stride=1 padding=2
h = upsample(g) scale=2
i = conv2d(h) out_channels=5 kernel=3 stride=1 padding=1 bias=true groups=5
outputs = h, f, i
";
    assert_eq!(graph(text).to_string(), text);
}

#[test]
fn notes_and_spacing_do_not_matter() {
    let loose = "# a note\n\n  x=input( )   channels=3\n y = add( x ,x )\noutputs=y\n";
    assert_eq!(graph(loose), graph("x = input() channels=3\ny = add(x, x)\noutputs = y"));
}

#[test]
fn one_group_needs_no_mention() {
    let text = "x = input() channels=4\ny = conv2d(x) out_channels=2 kernel=1 stride=1 padding=0 bias=true";
    let plain = graph(&format!("{text}\noutputs = y"));
    assert_eq!(graph(&format!("{text} groups=1\noutputs = y")), plain);
    assert!(!plain.to_string().contains("groups"));
    assert_ne!(graph(&format!("{text} groups=2\noutputs = y")), plain);
}

#[test]
fn outputs_may_stand_before_later_layers() {
    let early = graph("x = input() channels=3\noutputs = x\ny = silu(x)");
    assert_eq!(early, graph("x = input() channels=3\ny = silu(x)\noutputs = x"));
}

#[test]
fn numbers_survive_to_the_last_bit() {
    for eps in [f32::MIN_POSITIVE, f32::from_bits(1), 0.1, 1e-3, 16_777_217.0, f32::MAX] {
        let text = format!("x = input() channels=1\ny = batch_norm(x) eps={eps} momentum=0.03\noutputs = y");
        let text = graph(&text).to_string();
        assert!(text.contains(&format!("eps={eps} ")), "{text}");
    }
}

#[test]
fn faults_name_their_line_and_word() {
    let check = |line: &str, parts: &[&str]| {
        let text = format!("x = input() channels=3\n{line}\noutputs = x");
        assert_names(&text.parse::<Graph>().unwrap_err().to_string(), parts);
    };
    check("y silu(x)", &["line 2", "name = layer(inputs)"]);
    check("y = silu x", &["line 2", "`(`"]);
    check("y = silu(x", &["line 2", "`)`"]);
    check("y = relu(x)", &["line 2", "`relu`"]);
    check("y = silu(z)", &["line 2", "`z`"]);
    check("y = silu(y)", &["line 2", "`y`"]);
    check("y = silu(x) alpha=1", &["line 2", "`silu`", "`alpha`"]);
    check("y = upsample(x)", &["line 2", "`scale=`"]);
    check("y = upsample(x) scale", &["line 2", "`scale`"]);
    check("y = upsample(x) scale=2 scale=2", &["line 2", "`scale`", "twice"]);
    check("y = upsample(x) scale=-2", &["line 2", "`scale=-2`"]);
    check("y = upsample(x) scale=99999999999999999999999", &["line 2", "`scale=9"]);
    check("y = upsample(x) scale=65", &["`y`", "65", "64"]);
    check("y = silu(x) groups=1", &["line 2", "`silu`", "`groups`"]);
    check("y = batch_norm(x) eps=nan momentum=0.1", &["`y`", "eps", "NaN"]);
    check("x = silu(x)", &["`x`", "twice"]);
    check("a b = silu(x)", &["\"a b\""]);
    check("outputs = x", &["line 3", "`outputs`", "twice"]);
}

#[test]
fn a_graph_needs_an_input_and_an_output() {
    let check = |text: &str, inputs: usize, outputs: usize| {
        let message = text.parse::<Graph>().unwrap_err().to_string();
        assert_names(&message, &[&format!("has {inputs} and {outputs}")]);
    };
    check("", 0, 0);
    check("x = input() channels=3", 1, 0);
    check("x = input() channels=3\ny = input() channels=3\noutputs = x", 2, 1);
}
