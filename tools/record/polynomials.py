"""Near-minimax polynomials for native/vec.h, by weighted Chebyshev least squares in extended precision.
Run with Python + numpy + mpmath; prints C initialisers."""
import mpmath as mp
import numpy as np
from mpmath import mpf

mp.mp.dps = 40


def fit(f, lo, hi, degree, weight=None, n=400):
    """Coefficients c[0..degree] of f on [lo, hi]; iteratively reweighted towards equal ripples."""
    k = np.arange(n)
    x = [(mpf(lo) + hi) / 2 + (mpf(hi) - lo) / 2 * mp.cos(mp.pi * (2 * int(i) + 1) / (2 * n)) for i in k]
    y = [f(v) for v in x]
    w0 = [mpf(1) if weight is None else weight(v) for v in x]
    w = list(w0)
    best, c_best = None, None
    for _ in range(25):
        a = mp.matrix(degree + 1)
        b = mp.matrix(degree + 1, 1)
        m = mp.matrix(degree + 1, degree + 1)
        powers = [[v**j for j in range(degree + 1)] for v in x]
        for i in range(n):
            ww = w[i] ** 2
            for p in range(degree + 1):
                b[p] += ww * powers[i][p] * y[i]
                for q in range(p, degree + 1):
                    m[p, q] += ww * powers[i][p] * powers[i][q]
        for p in range(degree + 1):
            for q in range(p):
                m[p, q] = m[q, p]
        c = mp.lu_solve(m, b)
        err = [abs(sum(c[j] * powers[i][j] for j in range(degree + 1)) - y[i]) * w0[i] for i in range(n)]
        e = max(err)
        if best is None or e < best:
            best, c_best = e, c
        mean = sum(err) / n
        w = [w[i] * (1 + err[i] / mean) / 2 for i in range(n)]
    return [float(v) for v in c_best], float(best)


def show(name, cs, err):
    print(f"// {name}: max weighted error {err:.2e}")
    print("{" + ", ".join(f"{c:.9e}f" for c in cs) + "}")


L = mp.log(2)
show("(exp(r) - 1 - r) / r^2 on |r| <= ln2/2", *fit(lambda r: (mp.exp(r) - 1 - r) / r**2 if r else mpf(1) / 2, -L / 2, L / 2, 4, lambda r: r**2 / mp.exp(r), 120))
show("(log1p(f) - f + f^2/2) / f^3 on [sqrt(.5)-1, sqrt(2)-1]", *fit(lambda f: (mp.log1p(f) - f + f * f / 2) / f**3, mp.sqrt(mpf(1) / 2) - 1, mp.sqrt(2) - 1, 8, lambda f: abs(f**3 / mp.log1p(f)), 120))
show("(sin(x)/x - 1)/s in s = x^2, |x| <= pi/4", *fit(lambda s: (mp.sin(mp.sqrt(s)) / mp.sqrt(s) - 1) / s, mpf("1e-12"), (mp.pi / 4) ** 2, 2, lambda s: s, 120))
show("(cos(x) - 1 + s/2)/s^2 in s = x^2", *fit(lambda s: (mp.cos(mp.sqrt(s)) - 1 + s / 2) / s**2, mpf("1e-8"), (mp.pi / 4) ** 2, 2, lambda s: s**2, 120))
show("(tanh(x)/x - 1)/s in s = x^2, |x| <= 0.625", *fit(lambda s: (mp.tanh(mp.sqrt(s)) / mp.sqrt(s) - 1) / s, mpf("1e-12"), mpf("0.390625"), 4, lambda s: s, 120))
show("erf(x)/x in s = x^2, |x| <= 1", *fit(lambda s: mp.erf(mp.sqrt(s)) / mp.sqrt(s), mpf("1e-12"), mpf(1), 6, None, 120))
show("-log(erfc(x))/x on [1, 4]", *fit(lambda x: -mp.log(mp.erfc(x)) / x, mpf("0.98"), mpf("4.0"), 7, lambda x: x * mp.erfc(x), 120))
