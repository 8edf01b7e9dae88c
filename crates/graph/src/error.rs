//! [`GraphError`]: reasons why a graph cannot be built, read or measured.

/// A rule that a graph violates. Every message names the layer and the numbers that disagree.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// A layer name is empty or contains a character that is reserved in the text form.
    #[error("layer name {name:?} is not valid: use letters, digits, `.`, `_`, `-` and `/`")]
    InvalidName {
        /// The offending name.
        name: String,
    },
    /// Two layers have the same name.
    #[error("layer name `{name}` is used twice")]
    DuplicateName {
        /// The name in question.
        name: String,
    },
    /// A layer reads a layer that is not before it.
    #[error("`{node}` reads `{input}`, which is not an earlier layer")]
    UnknownInput {
        /// The reading layer.
        node: String,
        /// The name that it reads.
        input: String,
    },
    /// A layer has the wrong number of inputs.
    #[error("`{node}` ({op}) takes {expected} inputs, but has {got}")]
    InputCount {
        /// The layer.
        node: String,
        /// Its kind.
        op: &'static str,
        /// The accepted number of inputs, in words.
        expected: &'static str,
        /// The number of inputs given.
        got: usize,
    },
    /// A number of a layer is outside the supported range.
    #[error("`{node}`: {field} is {got}, expected {expected}")]
    InvalidNumber {
        /// The layer.
        node: String,
        /// Name of the number.
        field: &'static str,
        /// Its value.
        got: String,
        /// The accepted range, in words.
        expected: &'static str,
    },
    /// The wires into an addition carry different channel counts.
    #[error("`{node}` adds `{left}` with {left_channels} channels and `{right}` with {right_channels}")]
    AddChannels {
        /// The addition.
        node: String,
        /// First wire.
        left: String,
        /// Its channels.
        left_channels: usize,
        /// The wire that disagrees.
        right: String,
        /// Its channels.
        right_channels: usize,
    },
    /// A slice reaches past the last channel of its input.
    #[error("`{node}` takes channels {start}..{end} of `{input}`, which has {channels}")]
    SliceRange {
        /// The slice.
        node: String,
        /// First channel.
        start: usize,
        /// One past the last channel.
        end: usize,
        /// The sliced layer.
        input: String,
        /// Number of channels of the sliced layer.
        channels: usize,
    },
    /// The number of groups does not divide the channels of a convolution.
    #[error(
        "`{node}`: groups is {groups}, expected a divisor of both the {channels} channels of `{input}` \
         and the layer's own {out_channels}"
    )]
    Groups {
        /// The convolution.
        node: String,
        /// Its groups.
        groups: usize,
        /// The layer that the convolution reads.
        input: String,
        /// Number of channels of that layer.
        channels: usize,
        /// Number of output channels of the convolution.
        out_channels: usize,
    },
    /// Two inputs of a layer have different heights or widths.
    #[error(
        "`{node}` joins `{left}` ({left_h}x{left_w}) and `{right}` ({right_h}x{right_w}) \
         at input size {h}x{w}: choose a size that is a multiple of the largest stride"
    )]
    SpatialMismatch {
        /// The joining layer.
        node: String,
        /// First wire.
        left: String,
        /// Its height.
        left_h: usize,
        /// Its width.
        left_w: usize,
        /// The wire that disagrees.
        right: String,
        /// Its height.
        right_h: usize,
        /// Its width.
        right_w: usize,
        /// Input height.
        h: usize,
        /// Input width.
        w: usize,
    },
    /// A window is larger than its padded input.
    #[error(
        "`{node}`: a {kernel}x{kernel} window does not fit into {h}x{w} padded by {padding}: use a larger image"
    )]
    WindowTooLarge {
        /// The layer.
        node: String,
        /// Window side.
        kernel: usize,
        /// Input height of that layer.
        h: usize,
        /// Input width of that layer.
        w: usize,
        /// Padding on each side.
        padding: usize,
    },
    /// There is no input, more than one, or no output.
    #[error("a graph needs exactly one input and at least one output; this one has {inputs} and {outputs}")]
    InputsOutputs {
        /// Number of input layers.
        inputs: usize,
        /// Number of outputs.
        outputs: usize,
    },
    /// The detection head does not match the graph.
    #[error("detection head: {what}: expected {expected}, got {got}")]
    Head {
        /// The quantity that was compared.
        what: String,
        /// The number that the head requires.
        expected: usize,
        /// The number found.
        got: usize,
    },
    /// A serialised model has a version that this program cannot read.
    #[error("model description has version {got}; this program reads version {expected}: update it")]
    Version {
        /// The version found.
        got: u32,
        /// The version that can be read.
        expected: u32,
    },
    /// A line of the text form is malformed.
    #[error("line {line}: {reason}")]
    Syntax {
        /// Line number from 1.
        line: usize,
        /// The fault and the expected form.
        reason: String,
    },
}
