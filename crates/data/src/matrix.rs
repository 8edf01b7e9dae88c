//! [`Matrix`]: projective maps of the plane.

pub(crate) type Matrix = [[f64; 3]; 3];

pub(crate) fn multiply(a: &Matrix, b: &Matrix) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

/// Inverts a matrix by cofactors. The matrix of a motion within its limits is invertible: its scale is above
/// 0, its shear below 90 degrees.
pub(crate) fn inverse(m: &Matrix) -> Matrix {
    let cofactor = |i: usize, j: usize| {
        let a = (i + 1) % 3;
        let b = (i + 2) % 3;
        let c = (j + 1) % 3;
        let d = (j + 2) % 3;
        m[a][c] * m[b][d] - m[a][d] * m[b][c]
    };
    let determinant: f64 = (0..3).map(|j| m[0][j] * cofactor(0, j)).sum();
    std::array::from_fn(|i| std::array::from_fn(|j| cofactor(j, i) / determinant))
}
