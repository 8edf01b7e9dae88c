// Kernels on single values: copies, and z = act(scale * y + shift) + residual with its gradient.
#pragma once
#include "values.cuh"

// to = from, or to += from.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_copy(Rows from, Rows to, int pixels, int channels, int accumulate) {
    const int quads = channels / 4;
    for (size_t i = first_value(); i < (size_t)pixels * quads; i += value_step()) {
        const size_t p = i / quads;
        const int c = (int)(i % quads) * 4;
        float4 v = from.load4(from.place(p, c));
        if (accumulate) v = add4(to.load4(to.place(p, c)), v);
        to.store4(to.place(p, c), v);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) bonsai_zero(Rows to, int pixels, int channels) {
    // Weights of images are zeroed too, and their number need not be a multiple of 4.
    for (size_t i = first_value(); i < (size_t)pixels * channels; i += value_step()) to.store(to.place(i / channels, (int)(i % channels)), 0.0f);
}

// z = act(scale * y + shift) + residual; scale and residual may be null.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_pointwise(Rows y, Rows z, const float* scale, const float* shift, Rows residual, int pixels, int channels, int act) {
    const int quads = channels / 4;
    for (size_t i = first_value(); i < (size_t)pixels * quads; i += value_step()) {
        const size_t p = i / quads;
        const int c = (int)(i % quads) * 4;
        float4 v = y.load4(y.place(p, c));
        if (scale) v = map4(v, [&](float v, int k) { return fmaf(v, scale[c + k], shift[c + k]); });
        if (act) v = map4(v, [](float v, int) { return silu(v); });
        if (residual) v = add4(v, residual.load4(residual.place(p, c)));
        z.store4(z.place(p, c), v);
    }
}

// A gradient after a batch norm becomes 0 up to this magnitude, as on the CPU.
constexpr float NEGLIGIBLE = 1e-18f;

// dy (+)= scale * du + k1 * y + k0 with du = dz * act'(scale * y + shift); without scale, dy (+)= du.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_pointwise_gradient(Rows y, Rows dz, Rows dy, const float* scale, const float* shift, const float* k1, const float* k0, int pixels, int channels, int act, int accumulate) {
    for (size_t i = first_value(); i < (size_t)pixels * channels; i += value_step()) {
        const size_t p = i / channels;
        const int c = (int)(i % channels);
        const float v = y.load(y.place(p, c));
        float g = dz.load(dz.place(p, c));
        if (scale) {
            if (act) g *= silu_slope(fmaf(v, scale[c], shift[c]));
            g = fmaf(g, scale[c], fmaf(v, k1[c], k0[c]));
            // False for NaN, so a diverged network stays visible.
            if (fabsf(g) <= NEGLIGIBLE) g = 0.0f;
        } else if (act) {
            g *= silu_slope(v);
        }
        dy.put(dy.place(p, c), g, accumulate);
    }
}
