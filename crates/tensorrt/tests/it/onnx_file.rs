//! ONNX files written byte by byte, without code that the reader uses.

/// A length-delimited field of protobuf.
pub(crate) fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = varint(u64::from((number << 3) | 2));
    bytes.extend(varint(content.len() as u64));
    bytes.extend(content);
    bytes
}

/// An integer field of protobuf.
pub(crate) fn number(field: u32, value: i64) -> Vec<u8> {
    let mut bytes = varint(u64::from(field << 3));
    bytes.extend(varint(value as u64));
    bytes
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// ONNX's numbers of element types.
pub(crate) const FLOAT: i64 = 1;
pub(crate) const HALF: i64 = 10;

/// A `ValueInfoProto`; a size of 0 is written as a symbolic name.
pub(crate) fn value(name: &str, element: i64, dims: &[i64]) -> Vec<u8> {
    let dim = |&size: &i64| field(1, &if size > 0 { number(1, size) } else { field(2, b"n") });
    let shape: Vec<u8> = dims.iter().flat_map(dim).collect();
    let tensor = [number(1, element), field(2, &shape)].concat();
    [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
}

/// A `TensorProto` of zeros.
pub(crate) fn constant(name: &str, element: i64, dims: &[i64]) -> Vec<u8> {
    let bytes = if element == HALF { 2 } else { 4 } * dims.iter().product::<i64>() as usize;
    let dims: Vec<u8> = dims.iter().flat_map(|&size| number(1, size)).collect();
    [dims, number(2, element), field(8, name.as_bytes()), field(9, &vec![0; bytes])].concat()
}

/// A `NodeProto` of ONNX's own domain.
pub(crate) fn node(name: &str, op: &str, inputs: &[&str], output: &str) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|input| field(1, input.as_bytes())).collect();
    [inputs, field(2, output.as_bytes()), field(3, name.as_bytes()), field(4, op.as_bytes())].concat()
}

/// A `Cast`.
pub(crate) fn cast(input: &str, output: &str, to: i64) -> Vec<u8> {
    let attribute = [field(1, b"to"), number(3, to), number(20, 2)].concat();
    [node(output, "Cast", &[input], output), field(5, &attribute)].concat()
}

/// The parts of a graph.
#[derive(Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Vec<u8>>,
    pub(crate) constants: Vec<Vec<u8>>,
    pub(crate) inputs: Vec<Vec<u8>>,
    pub(crate) outputs: Vec<Vec<u8>>,
}

impl Graph {
    /// A convolution of `images` with weights of this type.
    pub(crate) fn convolution(input: i64, weights: i64, dims: &[i64]) -> Self {
        Self {
            nodes: vec![node("stem", "Conv", &["images", "stem.weight"], "output0")],
            constants: vec![constant("stem.weight", weights, &[4, 3, 1, 1])],
            inputs: vec![value("images", input, dims)],
            outputs: vec![value("output0", weights, &[])],
        }
    }

    /// The bytes of the file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let part =
            |number, parts: &[Vec<u8>]| -> Vec<u8> { parts.iter().flat_map(|p| field(number, p)).collect() };
        let graph = [
            part(1, &self.nodes),
            field(2, b"test"),
            part(5, &self.constants),
            part(11, &self.inputs),
            part(12, &self.outputs),
        ]
        .concat();
        let opset = [field(1, b""), number(2, 13)].concat();
        [number(1, 7), field(7, &graph), field(8, &opset)].concat()
    }
}

/// A network of one fp32 convolution on 3 x 8 x 8.
pub(crate) fn fp32() -> Vec<u8> {
    Graph::convolution(FLOAT, FLOAT, &[1, 3, 8, 8]).bytes()
}

/// The same network in fp16 throughout.
pub(crate) fn fp16() -> Vec<u8> {
    Graph::convolution(HALF, HALF, &[1, 3, 8, 8]).bytes()
}
