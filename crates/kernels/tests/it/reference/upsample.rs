//! Nearest-neighbour upsampling by an integer factor.

use bonsai_kernels::Nhwc;

/// For every value of the output, the index of the input value that it copies.
pub(crate) fn sources(input: Nhwc, factor: usize) -> Vec<usize> {
    let h = input.h * factor;
    let w = input.w * factor;
    (0..input.n * h * w * input.c)
        .map(|i| {
            let c = i % input.c;
            let column = i / input.c % w;
            let row = i / input.c / w % h;
            let image = i / input.c / w / h;
            ((image * input.h + row / factor) * input.w + column / factor) * input.c + c
        })
        .collect()
}
