"""The control step compiled from an MJCF: the same one as MJX's to 1e-12, many times faster.

The expressions of `rigid_body` run on JAX arrays; long code runs in blocks and brings a reverse-mode rule.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jaxtyping import Array, Float

from safebench.physics import rigid_body
from safebench.physics.affine import Affine
from safebench.physics.commands import Commanded
from safebench.physics.expression import Graph, Program, adjoint, gradients, program, run
from safebench.physics.recursions import factor, solve
from safebench.physics.supported import controls as scaled

LONG = 300  # operations from which code is run in blocks and has its own reverse-mode rule
BLOCK = 100  # operations


def compiled_step(
    model: mujoco.MjModel, disturbance_input: Float[np.ndarray, "v q"], commanded: Commanded = ()
) -> Callable[[Array, Array, Array], Array]:
    """The control step of `dynamics.mjx_step` from compiled dynamics: same arguments, same meaning.

    Long code (LONG operations or more) has its own reverse-mode rule and no forward-mode one.

    Raises:
        ValueError: if the model is not supported, naming every reason.
    """
    code = program(*rigid_body.accelerations_of(model, commanded))
    dt, nq = model.opt.timestep, model.nq
    accelerate = _reversible(model, code, commanded) if len(code.operations) >= LONG else _direct(code)

    def step(x: Float[Array, " n"], a: Float[Array, " m"], w: Float[Array, " q"]) -> Float[Array, " n"]:
        acceleration = accelerate(x, a) + jnp.asarray(disturbance_input, x.dtype) @ w
        v = x[nq:] + dt * acceleration
        return jnp.concatenate([x[:nq] + dt * v, v])

    return step


def _direct(code: Program) -> Callable[[Array, Array], Array]:
    return lambda x, a: _stack(run(code, [*x, *a], jnp.sin, jnp.cos), x.dtype)


def _reversible(
    model: mujoco.MjModel, code: Program, commanded: Commanded
) -> Callable[[Array, Array], Array]:
    """Accelerations with a reverse-mode rule that never differentiates the inertia matrix.

    M(q) acc = f(q, v, a) - ID(q, v, acc) holds identically, so a cotangent c of acc pulls back to the
    gradient of lambda . (f - ID) by (q, v, a), with acc held and lambda = M^-1 c. Of joints commanded by
    acceleration that row says acc = acc(a), and ID of the free ones takes acc(a) for it.
    """
    n, m = model.nv, model.nu
    free = rigid_body.free_joints(model, commanded)
    graph = Graph()
    q, cotangent = ([graph.input() for _ in range(n)] for _ in range(2))
    inertia = rigid_body.free_inertia(model, rigid_body.tree_at(model, q), free)
    multipliers = list(cotangent)
    for i, value in zip(free, solve(*factor(inertia), [cotangent[i] for i in free]), strict=True):
        multipliers[i] = value
    solve_code = program(graph, multipliers)
    graph = Graph()
    q, v, a, held, multiplier = ([graph.input() for _ in range(count)] for count in (n, n, m, n, n))
    given = rigid_body.commanded_accelerations(model, a, commanded)
    moved = [held[i] if i in free else given[i] for i in range(n)]
    forces = rigid_body.imbalance(model, rigid_body.tree_at(model, q), q, v, a, moved, commanded)
    forces = [forces[i] if i in free else given[i] for i in range(n)]
    power = sum(x * y for x, y in zip(multiplier, forces, strict=True))
    pull_code = program(graph, adjoint(power, [*q, *v, *a]))

    @jax.custom_vjp
    def accelerate(x, a):
        return _stack(_run_in_blocks(code, [*x, *a]), x.dtype)

    def forward(x, a):
        acceleration = accelerate(x, a)
        return acceleration, (x, a, acceleration)

    def backward(saved, cotangent):
        x, a, acceleration = saved
        multipliers = _run_in_blocks(solve_code, [*x[:n], *cotangent])
        pulled = _stack(
            _run_in_blocks(pull_code, [*x, *a, *acceleration, *_stack(multipliers, x.dtype)]), x.dtype
        )
        return pulled[: 2 * n], pulled[2 * n :]

    accelerate.defvjp(forward, backward)
    return accelerate


def _run_in_blocks(code: Program, inputs: list[Array]) -> list[Array | float]:
    """`run` with jnp, cut into blocks of BLOCK operations.

    XLA fuses straight-line code of this length into kernels that compute shared values over and over
    (measured: 20 times slower, compile times of minutes). It never fuses through a matrix product, so
    what a block hands on passes through one with the identity: exact, and small beside the rest.
    """
    last_use: dict[int, int] = {}
    for k, (_, *arguments) in enumerate(code.operations):
        last_use |= {x: k for x in arguments if isinstance(x, int)}
    last_use |= {x: len(code.operations) for x in code.outputs if isinstance(x, int)}
    values: list = list(inputs)
    for start in range(0, len(code.operations), BLOCK):
        stop = min(start + BLOCK, len(code.operations))
        first = len(values)
        # A program of this block alone, on all values so far.
        block = Program(first, code.operations[start:stop], tuple(range(first, first + stop - start)))
        values += run(block, values, jnp.sin, jnp.cos)
        kept = [k for k in range(first, len(values)) if last_use.get(k, -1) >= stop]
        packed = _stack([values[k] for k in kept], inputs[0].dtype)
        # Full precision also where matrix units would round single precision to 10 bits.
        packed = jnp.matmul(jnp.eye(len(kept), dtype=packed.dtype), packed, precision="highest")
        for k, value in zip(kept, packed, strict=True):
            values[k] = value
    return [values[end] if isinstance(end, int) else end for end in code.outputs]


def compiled_controls(
    model: mujoco.MjModel, commanded: Commanded
) -> Callable[[Float[Array, " n"], Float[Array, " m"]], Float[Array, " m"]]:
    """(x, a) -> MuJoCo's `ctrl`: commanded actuators by inverse dynamics, others `supported.controls`.

    Raises:
        ValueError: if the model is not supported, naming every reason.
    """
    if not commanded:
        return lambda x, a: scaled(model, a)
    code = program(*rigid_body.controls_of(model, commanded))

    def controls(x: Float[Array, " n"], a: Float[Array, " m"]) -> Float[Array, " m"]:
        inputs = [*x, *a]
        ends = (
            _run_in_blocks(code, inputs)
            if len(code.operations) >= LONG
            else run(code, inputs, jnp.sin, jnp.cos)
        )
        return _stack(ends, x.dtype)

    return controls


def compiled_linearise(
    model: mujoco.MjModel, disturbance_input: Float[np.ndarray, "v q"], commanded: Commanded = ()
) -> Callable[[Array], Affine]:
    """The exact affine model of `compiled_step` at a state, from one pass through the dynamics.

    The accelerations at a = 0 and their derivatives by a, which do not depend on a, are compiled
    together: no step is probed.

    Raises:
        ValueError: if the model is not supported, naming every reason.
    """
    graph, outputs = rigid_body.accelerations_of(model, commanded)
    n, nq, dt = model.nq + model.nv, model.nq, model.opt.timestep
    at_rest = rigid_body.accelerations(
        model, graph.inputs[:nq], graph.inputs[nq:n], [0.0] * model.nu, commanded
    )
    columns = gradients(outputs, graph.inputs[n:])
    code = program(graph, [*at_rest, *(entry for row in columns for entry in row)])
    noise = np.vstack([dt**2 * disturbance_input, dt * disturbance_input])

    def linearise(x: Float[Array, " n"]) -> Affine:
        # The code reads no action: it holds the derivatives and the accelerations at a = 0.
        values = _stack(run(code, [*x, *[0.0] * model.nu], jnp.sin, jnp.cos), x.dtype)
        v = x[nq:] + dt * values[:nq]
        control = values[nq:].reshape(nq, model.nu)
        return Affine(
            jnp.concatenate([x[:nq] + dt * v, v]),
            jnp.concatenate([dt**2 * control, dt * control]),
            jnp.asarray(noise, x.dtype),
        )

    return linearise


def _stack(values: list, dtype) -> Float[Array, " values"]:
    return jnp.stack([jnp.asarray(value, dtype) for value in values])
