// Tensor-core products of a warp, on the host. Written from the tables of fragments in NVIDIA's PTX ISA.
#pragma once

namespace host {
// Rounds to 10 bits of fraction, ties away from zero.
inline float to_tf32(float v) {
    if (isnan(v) || isinf(v)) return v;
    return __uint_as_float((__float_as_uint(v) + 0x1000u) & ~0x1fffu);
}

// mma.sync.m16n8k8 of TF32: the fragment of C of this lane becomes C + A B. All lanes of the warp must call it.
inline void mma_16x8x8(float (&c)[4], const float (&a)[4], const float (&b)[2]) {
    struct Fragment {
        float a[4], b[2];
    } own{{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
    const Shown& shown = show(&own, sizeof own);
    if (shown.lanes != 0xffffffffu) {
        fprintf(stderr, "cuda-on-host: mma.sync needs all 32 lanes of a warp\n");
        abort();
    }
    const auto of = [&](int lane) { return (const Fragment*)shown.of[lane]; };
    const int group = lane() / 4, part = lane() % 4;
    for (int r = 0; r < 4; r++) {
        const int row = group + 8 * (r / 2), column = 2 * part + r % 2;
        float sum = 0.0f;
        for (int k = 0; k < 8; k++) {
            sum += of(row % 8 * 4 + k % 4)->a[row / 8 + 2 * (k / 4)] * of(column * 4 + k % 4)->b[k / 4];
        }
        c[r] += sum;
    }
}
}  // namespace host
