//! Maximum over a sliding window with PyTorch's rules: padding is minus infinity, the first of equal values
//! wins, and a NaN replaces any earlier value.

use bonsai_kernels::PoolShape;

/// The input pixel that output pixel `out` reads through tap `tap`; `None` in the padding.
fn input_pixel(shape: &PoolShape, out: usize, tap: usize) -> Option<usize> {
    let input = shape.input();
    let output = shape.output();
    let window = shape.window();
    let column = out % output.w;
    let row = out / output.w % output.h;
    let image = out / output.w / output.h;
    let reach = |axis: usize, at: usize, tap: usize, size: usize| {
        let pixel = (at * window.stride[axis] + tap) as i64 - window.padding[axis] as i64;
        (0..size as i64).contains(&pixel).then_some(pixel as usize)
    };
    let row = reach(0, row, tap / window.kernel[1], input.h)?;
    let column = reach(1, column, tap % window.kernel[1], input.w)?;
    Some((image * input.h + row) * input.w + column)
}

/// Maxima, and the tap of each maximum.
pub(crate) fn forward(shape: &PoolShape, x: &[f32]) -> (Vec<f32>, Vec<usize>) {
    let channels = shape.output().c;
    (0..shape.output().len())
        .map(|i| {
            let taps = (0..shape.window().area()).filter_map(|tap| {
                Some((x[input_pixel(shape, i / channels, tap)? * channels + i % channels], tap))
            });
            taps.reduce(|best, next| if next.0 > best.0 || next.0.is_nan() { next } else { best }).unwrap()
        })
        .unzip()
}

/// Scatters `dy` to the pixels that were maxima.
pub(crate) fn backward(shape: &PoolShape, taps: &[usize], dy: &[f32]) -> Vec<f64> {
    let channels = shape.output().c;
    let mut dx = vec![0.0; shape.input().len()];
    for (i, (&dy, &tap)) in dy.iter().zip(taps).enumerate() {
        let pixel = input_pixel(shape, i / channels, tap).expect("the padding holds no maximum");
        dx[pixel * channels + i % channels] += f64::from(dy);
    }
    dx
}
