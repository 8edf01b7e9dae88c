//! Common parts of the benchmarks: the convolutions of YOLOv8n, and memory to run them in.

#![allow(dead_code, reason = "each benchmark uses its part")]

use bonsai_kernels::{AlignedBuffer, Conv, Isa, Nhwc, View, Window, WinogradMode, padded};

/// A convolution of YOLOv8n with 80 classes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layer {
    /// Number of input channels.
    pub(crate) inputs: usize,
    /// Number of output channels.
    pub(crate) outputs: usize,
    /// Side of the square kernel.
    pub(crate) kernel: usize,
    /// Stride.
    pub(crate) stride: usize,
    /// Factor by which its input is smaller than the image.
    pub(crate) scale: usize,
    /// Number of convolutions of this kind in the network.
    pub(crate) times: usize,
}

/// All convolutions.
pub(crate) fn layers() -> impl Iterator<Item = Layer> {
    CONVOLUTIONS.into_iter().map(|[inputs, outputs, kernel, stride, scale, times]| Layer {
        inputs,
        outputs,
        kernel,
        stride,
        scale,
        times,
    })
}

const CONVOLUTIONS: [[usize; 6]; 33] = [
    [3, 16, 3, 2, 1, 1],
    [16, 32, 3, 2, 2, 1],
    [32, 32, 1, 1, 4, 1],
    [16, 16, 3, 1, 4, 2],
    [48, 32, 1, 1, 4, 1],
    [32, 64, 3, 2, 4, 1],
    [64, 64, 1, 1, 8, 1],
    [32, 32, 3, 1, 8, 6],
    [128, 64, 1, 1, 8, 1],
    [64, 128, 3, 2, 8, 1],
    [128, 128, 1, 1, 16, 1],
    [64, 64, 3, 1, 16, 8],
    [256, 128, 1, 1, 16, 1],
    [128, 256, 3, 2, 16, 1],
    [256, 256, 1, 1, 32, 1],
    [128, 128, 3, 1, 32, 4],
    [384, 256, 1, 1, 32, 2],
    [256, 128, 1, 1, 32, 1],
    [512, 256, 1, 1, 32, 1],
    [384, 128, 1, 1, 16, 1],
    [192, 128, 1, 1, 16, 2],
    [192, 64, 1, 1, 8, 1],
    [96, 64, 1, 1, 8, 1],
    [64, 64, 3, 2, 8, 1],
    [128, 128, 3, 2, 16, 1],
    [64, 64, 3, 1, 8, 2],
    [64, 80, 3, 1, 8, 1],
    [80, 80, 3, 1, 8, 1],
    [128, 64, 3, 1, 16, 1],
    [128, 80, 3, 1, 16, 1],
    [80, 80, 3, 1, 16, 2],
    [256, 64, 3, 1, 32, 1],
    [256, 80, 3, 1, 32, 1],
];

impl Layer {
    /// The layer in a network with `width` percent of the channels, for images of side `imgsz`.
    pub(crate) fn conv(&self, imgsz: usize, batch: usize, width: usize, winograd: WinogradMode) -> Conv {
        let narrow = |c: usize| if c == 3 { c } else { padded(c * width / 100) };
        let side = imgsz.div_ceil(self.scale);
        let input = Nhwc::new(batch, side, side, narrow(self.inputs));
        let window = Window::square(self.kernel, self.stride, self.kernel / 2);
        Conv::new(isa(), input, narrow(self.outputs), window, winograd).unwrap()
    }

    /// Whether the layer reads the images, which need no gradient.
    pub(crate) fn is_first(&self) -> bool {
        self.inputs == 3
    }
}

/// Floating-point operations of one pass by the direct algorithm; also used for Winograd's, which needs
/// fewer.
pub(crate) fn flop(conv: &Conv) -> f64 {
    2.0 * (conv.weights_len() * conv.output().pixels()) as f64
}

/// The instruction set named by `BONSAI_ISA`, or else the fastest.
pub(crate) fn isa() -> Isa {
    std::env::var("BONSAI_ISA").map_or_else(|_| Isa::detect(), |name| name.parse().unwrap())
}

/// Assigns positions in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Places(usize);

impl Places {
    /// Places a dense tensor.
    pub(crate) fn tensor(&mut self, pixels: usize, channels: usize) -> View {
        let view = View::dense(0, self.0, pixels, channels);
        self.0 += (pixels * channels).next_multiple_of(16) + 64;
        view
    }

    /// Places a vector.
    pub(crate) fn vector(&mut self, len: usize) -> View {
        self.tensor(1, len)
    }

    /// Memory for all tensors, filled with small numbers.
    pub(crate) fn memory(&self) -> AlignedBuffer {
        let mut memory = AlignedBuffer::zeroed(self.0);
        for (i, value) in memory.as_mut_slice().iter_mut().enumerate() {
            *value = (i % 1013) as f32 / 1013.0 - 0.5;
        }
        memory
    }
}
