// Kernels on single values: copies, and z = act(scale * y + shift) + residual with its gradient.
#pragma once
#include "values.cuh"

// to = from, or to += from.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_copy(const float* from, int ld_from, float* to, int ld_to, int pixels, int channels, int accumulate) {
    const int quads = channels / 4;
    for (size_t i = first_value(); i < (size_t)pixels * quads; i += value_step()) {
        const size_t p = i / quads, c = i % quads * 4;
        float4 v = load4(from + p * ld_from + c);
        if (accumulate) v = add4(load4(to + p * ld_to + c), v);
        store4(to + p * ld_to + c, v);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) bonsai_zero(float* to, int ld, int pixels, int channels) {
    // Weights of images are zeroed too, and their number need not be a multiple of 4.
    for (size_t i = first_value(); i < (size_t)pixels * channels; i += value_step()) to[i / channels * ld + i % channels] = 0.0f;
}

// z = act(scale * y + shift) + residual; scale and residual may be null.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_pointwise(const float* y, int ldy, float* z, int ldz, const float* scale, const float* shift, const float* residual, int ldr, int pixels, int channels, int act) {
    const int quads = channels / 4;
    for (size_t i = first_value(); i < (size_t)pixels * quads; i += value_step()) {
        const size_t p = i / quads, c = i % quads * 4;
        float4 v = load4(y + p * ldy + c);
        if (scale) v = map4(v, [&](float v, int k) { return fmaf(v, scale[c + k], shift[c + k]); });
        if (act) v = map4(v, [](float v, int) { return silu(v); });
        if (residual) v = add4(v, load4(residual + p * ldr + c));
        store4(z + p * ldz + c, v);
    }
}

// A gradient after a batch norm becomes 0 up to this magnitude, as on the CPU.
constexpr float NEGLIGIBLE = 1e-18f;

// dy (+)= scale * du + k1 * y + k0 with du = dz * act'(scale * y + shift); without scale, dy (+)= du.
extern "C" __global__ void __launch_bounds__(THREADS) bonsai_pointwise_gradient(const float* y, int ldy, const float* dz, int ldz, float* dy, int ldd, const float* scale, const float* shift, const float* k1, const float* k0, int pixels, int channels, int act, int accumulate) {
    for (size_t i = first_value(); i < (size_t)pixels * channels; i += value_step()) {
        const size_t p = i / channels;
        const int c = (int)(i % channels);
        const float v = y[p * ldy + c];
        float g = dz[p * ldz + c];
        if (scale) {
            if (act) g *= silu_slope(fmaf(v, scale[c], shift[c]));
            g = fmaf(g, scale[c], fmaf(v, k1[c], k0[c]));
            // False for NaN, so a diverged network stays visible.
            if (fabsf(g) <= NEGLIGIBLE) g = 0.0f;
        } else if (act) {
            g *= silu_slope(v);
        }
        if (accumulate) g += dy[p * ldd + c];
        dy[p * ldd + c] = g;
    }
}
