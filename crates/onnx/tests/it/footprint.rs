//! Tests of footprints: files that demand too much or contradict themselves are refused, and exports are not.

use bonsai_graph::Size;
use bonsai_onnx::proto::tensor_proto::{DataLocation, DataType};
use bonsai_onnx::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TypeProto,
    ValueInfoProto, attribute_proto::AttributeType, type_proto,
};
use bonsai_onnx::{
    Dynamic, ExportNms, ExportOptions, Footprint, FootprintLimits, Io, OnnxProgram, OtherOperators,
    Precision, export,
};

use crate::yolov8n;

const IMAGES: [usize; 4] = [1, 3, 64, 64];

/// A graph from `images`, 32 bits, to `output0`.
fn graph(node: Vec<NodeProto>, initializer: Vec<TensorProto>) -> ModelProto {
    let tensor = type_proto::Tensor { elem_type: Some(DataType::Float.into()), shape: None };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
    let value = |name: &str| ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(kind.clone()),
        ..ValueInfoProto::default()
    };
    ModelProto {
        ir_version: Some(8),
        opset_import: vec![OperatorSetIdProto { domain: None, version: Some(18) }],
        graph: Some(GraphProto {
            node,
            initializer,
            input: vec![value("images")],
            output: vec![value("output0")],
            ..GraphProto::default()
        }),
        ..ModelProto::default()
    }
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(op.to_owned()),
        name: Some(format!("the {op}")),
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    }
}

fn with(mut node: NodeProto, name: &str, values: &[i64]) -> NodeProto {
    let base = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
    node.attribute.push(match values {
        [one] => AttributeProto { i: Some(*one), r#type: Some(AttributeType::Int.into()), ..base },
        _ => AttributeProto { ints: values.to_vec(), r#type: Some(AttributeType::Ints.into()), ..base },
    });
    node
}

fn ints(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: vec![values.len() as i64],
        data_type: Some(DataType::Int64.into()),
        int64_data: values.to_vec(),
        ..TensorProto::default()
    }
}

fn int(name: &str, value: i64) -> TensorProto {
    TensorProto { dims: Vec::new(), ..ints(name, &[value]) }
}

fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: dims.to_vec(),
        data_type: Some(DataType::Float.into()),
        raw_data: Some(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        ..TensorProto::default()
    }
}

fn footprint(model: ModelProto) -> Result<Footprint, String> {
    let program = OnnxProgram::new(model).map_err(|error| error.to_string())?;
    let taken = program.footprint(&IMAGES, &FootprintLimits::default(), OtherOperators::Refused);
    taken.map_err(|error| error.to_string())
}

#[track_caller]
fn refused(model: ModelProto, parts: &[&str]) {
    let message = footprint(model).expect_err("it asks for too much");
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn constants_hold_what_their_dimensions_say() {
    let adding =
        |constant: TensorProto| graph(vec![node("Add", &["images", "k"], "output0")], vec![constant]);
    assert!(footprint(adding(floats("k", &[1, 3, 1, 1], &[0.0; 3]))).is_ok());
    let four_billion = 1 << 32;
    for (dims, values, part) in [
        // The product of these is 0 in 64 bits.
        (vec![four_billion; 3], 0, "values"),
        (vec![0, four_billion, four_billion], 0, "values"),
        (vec![2, 2], 3, "holds 12 bytes; 16"),
        (vec![2], 3, "holds 12 bytes; 8"),
        (vec![-1], 1, "[-1]"),
        (vec![1; 9], 1, "9 dimensions"),
    ] {
        refused(adding(floats("k", &dims, &vec![0.0; values])), &["constant `k`", part]);
    }
    refused(adding(TensorProto { dims: vec![5], ..ints("k", &[1, 2]) }), &["constant `k`", "2 values; 5"]);
    let outside =
        TensorProto { data_location: Some(DataLocation::External.into()), ..floats("k", &[1 << 20], &[]) };
    refused(adding(outside), &["constant `k`", "another file"]);
    // The same constant as the value of a node.
    let mut constant = node("Constant", &[], "k");
    let tensor = floats("", &[four_billion; 3], &[]);
    constant.attribute.push(AttributeProto {
        name: Some("value".to_owned()),
        t: Some(tensor),
        ..AttributeProto::default()
    });
    refused(graph(vec![constant, node("Add", &["images", "k"], "output0")], Vec::new()), &["the Constant"]);
}

#[test]
fn sizes_come_from_constants_within_limits() {
    let huge = 1 << 40;
    let large = 1 << 20;
    let one = |op: &str, inputs: &[&str], constants: Vec<TensorProto>| {
        (op.to_owned(), vec![node(op, inputs, "output0")], constants)
    };
    let cases = [
        one("ConstantOfShape", &["s"], vec![ints("s", &[large, large])]),
        one("ConstantOfShape", &["s"], vec![ints("s", &[0, huge, huge])]),
        one("ConstantOfShape", &["s"], vec![ints("s", &[huge, 6, huge])]),
        one("ConstantOfShape", &["s"], vec![ints("s", &[-1])]),
        one("Expand", &["images", "s"], vec![ints("s", &[large, 3, 64, 64])]),
        one("Tile", &["images", "s"], vec![ints("s", &[1, 1, large, large])]),
        one("Pad", &["images", "s"], vec![ints("s", &[0, 0, 0, 0, 0, 0, large, large])]),
        one("Resize", &["images", "", "", "s"], vec![ints("s", &[1, 3, large, large])]),
        one("Resize", &["images", "", "s"], vec![floats("s", &[4], &[1.0, 1.0, 1e5, 1e5])]),
        one("Resize", &["images", "", "s"], vec![floats("s", &[4], &[1.0, 1.0, f32::NAN, 1.0])]),
        one(
            "OneHot",
            &["i", "d", "v"],
            vec![ints("i", &[1; 64]), int("d", huge), floats("v", &[2], &[0.0, 1.0])],
        ),
        one("TopK", &["images", "k"], vec![ints("k", &[huge])]),
        one("Range", &["a", "b", "c"], vec![int("a", 0), int("b", huge), int("c", 1)]),
        one("Range", &["a", "b", "c"], vec![int("a", 0), int("b", 5), int("c", 0)]),
        one("Reshape", &["images", "s"], vec![ints("s", &[1 << 32, 1 << 32, 1 << 32, 12288])]),
        one("Reshape", &["images", "s"], vec![ints("s", &[5, -1])]),
        one("Split", &["images", "s"], vec![ints("s", &[huge])]),
        one("MatMul", &["a", "b"], vec![floats("a", &[4096, 0], &[]), floats("b", &[0, 1 << 30], &[])]),
    ];
    for (op, nodes, constants) in cases {
        refused(graph(nodes, constants), &[&format!("the {op}")]);
    }
    // A size that depends on the picture.
    let nodes = vec![
        with(node("Cast", &["images"], "i"), "to", &[DataType::Int64 as i64]),
        with(node("Reshape", &["i", "flat"], "s"), "allowzero", &[0]),
        node("ConstantOfShape", &["s"], "output0"),
    ];
    refused(graph(nodes, vec![ints("flat", &[-1])]), &["the ConstantOfShape", "computed from the picture"]);
    // Each step is harmless, but all of them together are not.
    let mut doubling: Vec<NodeProto> = (0..20)
        .map(|i| with(node("Concat", &[format!("v{i}").as_str(); 2], &format!("v{}", i + 1)), "axis", &[0]))
        .collect();
    doubling[0].input = vec!["images".to_owned(); 2];
    doubling[19].output = vec!["output0".to_owned()];
    refused(graph(doubling, Vec::new()), &["the Concat", "values"]);
    // A kernel as large as its picture takes too much time rather than too much memory.
    let kernel = floats("w", &[1, 1, 4096, 4096], &vec![0.0; 1 << 24]);
    let nodes = vec![
        node("Expand", &["images", "s"], "wide"),
        with(node("Reshape", &["wide", "one"], "plane"), "allowzero", &[0]),
        with(with(node("Conv", &["plane", "w"], "output0"), "pads", &[2048; 4]), "group", &[1]),
    ];
    let constants = vec![kernel, ints("s", &[256, 3, 64, 64]), ints("one", &[1, 1, 1024, -1])];
    refused(graph(nodes, constants), &["the Conv", "operations"]);
}

#[test]
fn what_two_readers_may_read_in_two_ways_is_refused() {
    let large = 1 << 20;
    let pad = with(node("Pad", &["images", "s"], "output0"), "pads", &[0; 8]);
    refused(graph(vec![pad], vec![ints("s", &[large; 8])]), &["the Pad", "as an attribute and as input"]);
    let pool = with(node("MaxPool", &["images"], "output0"), "kernel_shape", &[2, 2]);
    let pool = with(pool, "kernel_shape", &[large, large]);
    refused(graph(vec![pool], Vec::new()), &["the MaxPool", "twice"]);
    let resize = node("Resize", &["images", "", "f", "s"], "output0");
    let constants = vec![floats("f", &[4], &[1.0; 4]), ints("s", &[1, 3, 64, large])];
    refused(graph(vec![resize], constants), &["the Resize", "both"]);
    // `rest` is 0.3 in 64 bits but 0 in 32, so the quotient is 3 or infinite.
    let nodes = vec![
        node("Add", &["far", "little"], "sum"),
        node("Sub", &["sum", "far"], "rest"),
        node("Div", &["one", "rest"], "size"),
        with(node("Cast", &["size"], "whole"), "to", &[DataType::Int64 as i64]),
        node("ConstantOfShape", &["whole"], "output0"),
    ];
    let constants =
        vec![floats("far", &[1], &[1e9]), floats("little", &[1], &[0.3]), floats("one", &[1], &[1.0])];
    refused(graph(nodes, constants), &["the ConstantOfShape"]);
}

#[test]
fn windows_and_kernels_fit_what_they_move_over() {
    let conv = |dims: &[i64], edit: &dyn Fn(NodeProto) -> NodeProto| {
        let count = dims.iter().product::<i64>() as usize;
        graph(
            vec![edit(node("Conv", &["images", "w"], "output0"))],
            vec![floats("w", dims, &vec![0.0; count])],
        )
    };
    assert!(footprint(conv(&[2, 3, 3, 3], &|n| n)).is_ok());
    refused(conv(&[2, 4, 3, 3], &|n| n), &["the Conv", "[2, 4, 3, 3]"]);
    refused(conv(&[2, 3, 65, 3], &|n| n), &["the Conv", "65 pixels"]);
    refused(conv(&[2, 3, 3, 3], &|n| with(n, "strides", &[0, 1])), &["strides [0, 1]"]);
    refused(conv(&[2, 3, 3, 3], &|n| with(n, "pads", &[-1, 0, 0, 0])), &["pads [-1, 0, 0, 0]"]);
    refused(conv(&[2, 3, 3, 3], &|n| with(n, "dilations", &[1, 1 << 40])), &["dilations"]);
    refused(conv(&[2, 3, 3, 3], &|n| with(n, "group", &[0])), &["0 groups"]);
    let pool = with(node("MaxPool", &["images"], "output0"), "kernel_shape", &[1 << 40, 1]);
    refused(graph(vec![pool], Vec::new()), &["the MaxPool", "sides of 1 to"]);
}

#[test]
fn what_runs_as_long_as_it_likes_is_refused() {
    for op in ["Loop", "Scan", "If"] {
        let mut looping = node(op, &["images"], "output0");
        let body = AttributeProto {
            name: Some("body".to_owned()),
            g: Some(GraphProto::default()),
            ..AttributeProto::default()
        };
        looping.attribute.push(body);
        refused(graph(vec![looping], Vec::new()), &[&format!("the {op}"), "graph of its own"]);
    }
    let foreign =
        graph(vec![node("Convolve", &["images"], "x"), node("Relu", &["x"], "output0")], Vec::new());
    refused(foreign.clone(), &["the Convolve", "onnxruntime"]);
    let program = OnnxProgram::new(foreign).unwrap();
    assert!(program.footprint(&IMAGES, &FootprintLimits::default(), OtherOperators::Unchecked).is_ok());
    let mut random = node("RandomNormal", &[], "output0");
    random = with(random, "shape", &[1 << 40, 1 << 40]);
    refused(graph(vec![random], Vec::new()), &["the RandomNormal"]);
}

#[test]
fn graphs_are_sound_whatever_order_they_are_written_in() {
    let relus = |names: &[(&str, &str)]| {
        graph(names.iter().map(|(from, to)| node("Relu", &[from], to)).collect(), Vec::new())
    };
    let program = OnnxProgram::new(relus(&[("b", "output0"), ("a", "b"), ("images", "a")])).unwrap();
    let order: Vec<&str> =
        program.proto().graph.as_ref().unwrap().node.iter().map(|node| node.output[0].as_str()).collect();
    assert_eq!(order, ["a", "b", "output0"]);
    refused(relus(&[("b", "a"), ("a", "b"), ("images", "output0")]), &["of its own output"]);
    refused(relus(&[("images", "output0"), ("images", "output0")]), &["`output0`", "made twice"]);
    refused(relus(&[("nothing", "output0")]), &["`nothing`", "nothing makes"]);
    refused(relus(&[("images", "a")]), &["output `output0`"]);
    let names: Vec<String> = (0..=5000).map(|i| format!("v{i}")).collect();
    let mut chain: Vec<(&str, &str)> =
        names.windows(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
    chain[0].0 = "images";
    chain.push((&names[5000], "output0"));
    refused(relus(&chain), &["at the end of a chain"]);
    let mut sparse = relus(&[("images", "output0")]);
    sparse.graph.as_mut().unwrap().sparse_initializer.push(bonsai_onnx::proto::SparseTensorProto::default());
    refused(sparse, &["sparse"]);
}

#[test]
fn a_footprint_is_what_one_counts_by_hand() {
    // 64 x 64 pixels of 3 channels, then 32 x 32 cells of 8 channels by 3 x 3 taps; both exist at the same
    // time.
    let mut conv = with(node("Conv", &["images", "w"], "output0"), "strides", &[2, 2]);
    conv = with(conv, "pads", &[1; 4]);
    let model = graph(vec![conv], vec![floats("w", &[8, 3, 3, 3], &[0.0; 216])]);
    let pixels = 3 * 64 * 64;
    let cells = 8 * 32 * 32;
    let expected = Footprint { bytes: 4 * (pixels + cells), work: cells * 27 };
    assert_eq!(footprint(model.clone()).unwrap(), expected);
    let program = OnnxProgram::new(model).unwrap();
    for limits in [
        FootprintLimits { bytes: expected.bytes - 1, ..FootprintLimits::default() },
        FootprintLimits { work: expected.work - 1, ..FootprintLimits::default() },
    ] {
        assert!(program.footprint(&IMAGES, &limits, OtherOperators::Refused).is_err());
    }
    // Ten images take ten times as much.
    let ten =
        program.footprint(&[10, 3, 64, 64], &FootprintLimits::default(), OtherOperators::Refused).unwrap();
    assert_eq!((ten.bytes, ten.work), (10 * expected.bytes, 10 * expected.work));
}

#[test]
fn exports_of_every_form_pass() {
    let checkpoint = yolov8n(&["a", "b", "c"]);
    for dynamic in [Dynamic::None, Dynamic::Batch, Dynamic::Shape] {
        for nms in [None, Some(ExportNms::default())] {
            for opset in [11, 13, 17] {
                for precision in [Precision::Fp32, Precision::Half { io: Io::Fp16 }] {
                    let options = ExportOptions {
                        dynamic,
                        nms,
                        opset,
                        precision,
                        ..ExportOptions::new(Size::square(64))
                    };
                    let form = format!("{dynamic:?} {nms:?} {opset} {:?}", options.precision);
                    let model = export(&checkpoint, &options).unwrap().proto().clone();
                    let program = OnnxProgram::new(model).unwrap();
                    let taken =
                        program.footprint(&IMAGES, &FootprintLimits::default(), OtherOperators::Refused);
                    let taken = taken.unwrap_or_else(|error| panic!("{form}: {error}"));
                    // The MACs of the network at this size, and a few more for the decoding.
                    let macs = checkpoint.model.graph().cost(Size::square(64)).unwrap().macs;
                    assert!(taken.work > macs && taken.work < macs + macs / 5, "{form}: {taken:?}, {macs}");
                    assert!((100_000..20_000_000).contains(&taken.bytes), "{form}: {taken:?}");
                    let parts = program.parts().unwrap().len();
                    assert_eq!(parts, if nms.is_some() { 3 } else { 1 }, "{form}");
                }
            }
        }
    }
}
