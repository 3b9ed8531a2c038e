"""Bad input of every kind, and what each gets: cases for tests/whole/test_bad_input.py and docs/bad-input.md.

.venv/bin/python tests/helpers/bad_input.py     # writes the page
"""

import functools
import html
import itertools
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import synthetic_results

from safebench.record.strict_json import plain

PAGE = Path(__file__).parents[2] / "docs" / "bad-input.md"
COMMAND = ".venv/bin/python tests/helpers/bad_input.py"

INTRODUCTION = """# What bad input gets

Whatever is wrong with a command, a setting, a file or the environment, the answer is one line: what is wrong,
where, and what was expected or what there is. All that can be checked is checked before anything is compiled
or trained, and nothing is written. `--debug`, anywhere on the command line, shows the traceback too.

| Exit code | |
|---|---|
| 0 | done |
| 1 | a proof or a cell failed, a result was refused, or a promise of safety was broken |
| 2 | bad usage, settings, files or places |
| 3 | a fault of safebench or of a plug-in; please report it |
| 130 | Ctrl-C: what was finished is kept, and the command says what |
| 141 | nobody reads the output any more (`safebench list \\| head -1`) |

From Python, the same lines come as `ValueError`, `LookupError` or `OSError`.

Every row of this table is a test. `...` stands for text that is left out here.
"""

Content = str | bytes | Callable[[], bytes]


class Case(NamedTuple):
    """One bad input. what: in words. command: as typed; `safebench.` begins a line of Python.

    line: what is printed, "..." for what is left out. exit: the code; None for Python, which raises.
    files: written first, by name. environment: set for a process of its own. slow: takes seconds.
    """

    what: str
    command: str
    line: str
    exit: int | None = 2
    files: Mapping[str, Content] = MappingProxyType({})
    environment: Mapping[str, str] = MappingProxyType({})
    slow: bool = False

    @property
    def shown(self) -> str:
        """The command with the environment before it."""
        return " ".join([*(f"{name}={value}" for name, value in self.environment.items()), self.command])

    def matches(self, printed: str) -> bool:
        """Whether a printed line is the one expected."""
        pattern = ".*".join(re.escape(part.strip(" ")) for part in self.line.split("..."))
        return re.fullmatch(pattern, printed.strip()) is not None


@functools.cache
def result(**changes) -> bytes:
    """A result file, with fields of its JSON changed: `task__name="x"` changes task.name."""
    document = json.loads(json.dumps(plain(synthetic_results.make(**synthetic_results.SMALL))))
    for path, value in changes.items():
        *places, last = path.split("__")
        functools.reduce(lambda part, name: part[int(name) if name.isdigit() else name], places, document)[
            int(last) if last.isdigit() else last
        ] = value
    return json.dumps(document).encode()


def task(name: str, **changes: str) -> str:
    """A task file: the pendulum, with some fields changed."""
    fields = ", ".join(f"{field}={code}" for field, code in changes.items())
    return f'''"""The pendulum, changed."""
import dataclasses
import jax.numpy as jnp
from safebench.tasks import pendulum

synthesise = pendulum.synthesise

def make(physics="mjx"):
    return dataclasses.replace(pendulum.make(physics), name="{name}", {fields})
'''


def moving(name: str, fields: str = "", **functions: str) -> str:
    """A task file: the quadrotor, its safe set moved by the simplest functions, some of them changed."""
    changes = ", ".join(f"{function}={code}" for function, code in functions.items())
    return f'''"""The quadrotor, its safe set moved along."""
import dataclasses
import jax.numpy as jnp
from safebench.task import Corridor, Corridors, Discs, Picture, Start
from safebench.tasks import quadrotor

synthesise = quadrotor.synthesise

def start(low=0.0, high=0.0, x=0.0):
    return Start(jnp.full(6, x), (), Corridor(jnp.full(2, low), jnp.full(2, high)))

FIELDS = dict(
    observe=lambda x, context, corridor: x, reward=lambda x, a, after, context: after[0],
    safe_set=None, starts=None, reference_start=None,
)
FUNCTIONS = dict(
    begin=lambda key: start(),
    move=lambda x, context, corridor: corridor,
    clearance=lambda context, corridor: 1.0 - jnp.max(corridor.high),
)

def make(physics="mjx"):
    return dataclasses.replace(
        quadrotor.make(physics), name="{name}", corridors=Corridors(**(FUNCTIONS | dict({changes}))),
        **(FIELDS | dict({fields})),
    )
'''


GUARD = '''"""The certified action, whatever is proposed."""
from dataclasses import dataclass
from safebench.safeguard import guard

CERTIFIED = True

@dataclass(frozen=True)
class Config:
    regularisation: float = 0.0

def make(config=Config()):
    return lambda a, actions: guard(a, actions, lambda a, actions: {answer})
'''

RESULT = "r/pendulum/ray-mask--shac.json"
CELL = "safebench run -t pendulum -g none -l shac"
SET = f"{CELL} --set"
FILE = "safebench run -g none -l shac -t"

SECTIONS: dict[str, list[Case]] = {
    "Names": [
        Case(
            "an unknown task (safeguard, learner, suite, benchmark)",
            "safebench run -t pendulm -g none -l shac",
            "Error: unknown task 'pendulm'. Did you mean 'pendulum'? Known: ... cartpole, ...",
        ),
        Case(
            "an unknown preset",
            "safebench run -t pendulum -g raymask -l shac",
            "Error: unknown safeguard 'raymask'. Did you mean 'ray-mask'? Known: ...",
        ),
        Case(
            "a name that the suite does not have",
            "safebench run --suite paper -t cartpole",
            "Error: suite 'paper': unknown task 'cartpole'. Known: energy, energy-heating, pendulum, ...",
        ),
        Case("nothing to run", "safebench run", "Error: say what to run: --suite NAME, or -t TASK -g ..."),
        Case(
            "brackets, or any other text that could be markup",
            "safebench certify '[/a]'",
            "Error: unknown task '[/a]'. Known: ...",
        ),
        Case("the same in a path", "safebench report 'no[/x]such'", "Error: no[/x]such: no such folder"),
        Case("an unknown option", "safebench run --'[/x]'", "Error: No such option: --[/x] ..."),
        Case(
            "no choice of an option",
            f"{CELL} --physics '[/x]'",
            "Error: Invalid value for '--physics': '[/x]' is not one of 'mjx', 'compiled'. ...",
        ),
    ],
    "Settings": [
        Case(
            "a setting out of range",
            f"{SET} learner.window=-4",
            "Error: learner.window must be at least 1, not -4",
        ),
        Case(
            "another type",
            f"{SET} learner.window=abc",
            "Error: learner.window wants a whole number, not 'abc'",
        ),
        Case(
            "infinity, NaN",
            f"{SET} learner.discount=1e999",
            "Error: learner.discount wants a finite number, not inf",
        ),
        Case(
            "no list of widths",
            f"{SET} learner.policy_hidden=wide",
            "Error: learner.policy_hidden wants whole numbers in brackets like (128, 128), not 'wide'",
        ),
        Case(
            "no choice of a setting",
            "safebench run -t pendulum -g ray-mask -l shac --set safeguard.centre=middle",
            "Error: safeguard.centre wants one of 'certificate', ..., not 'middle'",
        ),
        Case(
            "a setting that is not there",
            f"{SET} learner.windo=4",
            "Error: learner has no setting 'windo'. Did you mean 'window'? It has: environments, ...",
        ),
        Case(
            "an owner that is not there",
            f"{SET} learnr.window=4",
            "Error: --set wants learner.FIELD=VALUE or ..., not 'learnr.window=4'. Did you mean 'learner'?",
        ),
        Case(
            "a setting with two values",
            f"{SET} learner.window=4 --set learner.window=8",
            "Error: --set gives learner.window two values, '4' and '8': give one",
        ),
        Case(
            "settings that do not go together",
            f"{SET} learner.value_batches=200",
            "Error: learner.value_batches must be at most environments x window = 4 x 16 = 64, not 200",
        ),
        Case(
            "brackets as deep as Python's parser cannot read",
            f"{SET} learner.window={'[' * 300}",
            "Error: learner.window wants a whole number, not '[[[...",
        ),
        Case(
            "a bad value anywhere in a sweep: before its first cell",
            "safebench sweep -t pendulum -g none -l shac --over learner.window=8,x",
            "Error: learner.window wants a whole number, not 'x'",
        ),
    ],
    "Numbers": [
        Case("a budget of nothing", f"{CELL} -n 0", "Error: interactions must be at least 1, not 0"),
        Case(
            "a budget below one update",
            f"{CELL} -n 5",
            "Error: a budget of 5 interactions is less than one update: environments x window = 4 x 16 = 64",
        ),
        Case(
            "a budget beyond the counters",
            f"{CELL} -n 99999999999999999999",
            "Error: interactions must be at most 1000000000, not 99999999999999999999",
        ),
        Case(
            "more seeds than a result holds",
            f"{CELL} --seeds 99999999999",
            "Error: seeds must be at most 10000, not 99999999999",
        ),
        Case(
            "an evaluation of no episodes",
            f"{SET} evaluation.starts=0",
            "Error: evaluation.starts must be at least 1, not 0",
        ),
        Case(
            "episodes longer than the task's",
            f"{SET} evaluation.horizon=999",
            "Error: evaluation.horizon must be between 1 and the task's 240, not 999",
        ),
        Case(
            "a start that the task does not have",
            "safebench draw -t pendulum --state 99999",
            "Error: 'pendulum' has no start 99999, only 0 to 8191",
        ),
        Case(
            "an episode's number beyond 32 bits",
            "safebench play -t pendulum -g none --episode 99999999999999999999",
            "Error: Invalid value for '--episode': ...4294967295...",
        ),
        Case(
            "an episode that is too long to draw",
            "safebench play -t pendulum -g none --steps 99999999999",
            "Error: Invalid value for '--steps': ...100000...",
        ),
        Case(
            "an attack without end",
            "safebench certify --attack --steps 99999999999999999999",
            "Error: Invalid value for '--steps': ...10000000000...",
        ),
        Case("no worker", f"{CELL} --workers 0", "Error: --workers must be at least 1, not 0"),
        Case(
            "no number",
            f"{CELL} -n many",
            "Error: Invalid value for '--interactions' / '-n': ...integer... (see safebench run --help)",
        ),
    ],
    "Plug-in files": [
        Case("no such file", f"{FILE} ./absent.py", "Error: no plug-in file 'absent.py'"),
        Case(
            "no Python file",
            f"{FILE} ./notes.txt",
            "Error: ./notes.txt is no Python file: a task given by a file is a .py",
            files={"notes.txt": "x"},
        ),
        Case(
            "a syntax error",
            f"{FILE} ./broken.py",
            "Error: broken.py: line 2: SyntaxError: ...",
            files={"broken.py": "\ndef make(:\n"},
        ),
        Case(
            "an import that fails",
            f"{FILE} ./imports.py",
            "Error: imports.py: line 1: ModuleNotFoundError: No module named 'nothing_here'",
            files={"imports.py": "import nothing_here\n"},
        ),
        Case(
            "sys.exit, at import or in a function",
            f"{FILE} ./leaves.py",
            "Error: leaves.py: it calls sys.exit(0), which a plug-in must not",
            files={"leaves.py": "import sys\nsys.exit(0)\n"},
        ),
        Case(
            "something missing",
            f"{FILE} ./empty.py",
            "Error: 'empty' is not a task: empty.py defines no make, synthesise",
            files={"empty.py": ""},
        ),
        Case(
            "make() that takes something else",
            f"{FILE} ./takes.py",
            "Error: takes.py: make(): ...takes 0 positional arguments but 1 was given",
            files={"takes.py": "synthesise = None\ndef synthesise(): ...\ndef make(): ...\n"},
        ),
        Case(
            "make() that gives something else",
            f"{FILE} ./gives.py",
            "Error: gives.py: make() gives a int: expected a Task",
            files={"gives.py": "def synthesise(): ...\ndef make(physics): return 3\n"},
        ),
        Case(
            "a task called otherwise than its file",
            f"{FILE} ./mine.py",
            "Error: mine.py: Task.name is 'yours', but the file is called 'mine': they must be the same",
            files={"mine.py": task("yours")},
        ),
        Case(
            "a file that takes a registered name",
            f"{FILE} ./pendulum.py",
            "Error: pendulum.py: 'pendulum' is a registered task: name the file otherwise, or say ...",
            files={"pendulum.py": task("pendulum", reward="lambda x, a, after, context: 0.0 * x[0]")},
        ),
        Case(
            "a name that no result can have",
            f"{FILE} './my task.py'",
            "Error: ...'my task' cannot name a result: use a-z, 0-9, ...",
            files={"my task.py": task("my task")},
        ),
        Case(
            "a reward that is no scalar",
            f"{FILE} ./pair.py",
            "Error: pair.py: reward() gives shape (2,): expected a scalar, shape ()",
            files={"pair.py": task("pair", reward="lambda x, a, after, context: after[:2]")},
        ),
        Case(
            "an observation of two axes",
            f"{FILE} ./square.py",
            "Error: square.py: observe() gives shape (2, 2): expected one axis, (o,)",
            files={"square.py": task("square", observe="lambda x, context: jnp.ones((2, 2)) * x[0]")},
        ),
        Case(
            "a reward that is NaN",
            f"{FILE} ./undefined.py",
            "Error: undefined.py: reward() gives nan at the state ...",
            files={"undefined.py": task("undefined", reward="lambda x, a, after, context: x[0] * jnp.nan")},
        ),
        Case(
            "a further constraint that is violated where an episode begins",
            f"{FILE} ./hit.py",
            "Error: hit.py: excess() gives [1.] at the state ...: expected at most 0, no violation, ...",
            files={"hit.py": task("hit", excess="lambda x, context: jnp.ones(1)")},
        ),
        Case(
            "half-spaces that leave nothing of the constraints",
            f"{FILE} ./cut.py",
            "Error: cut.py: make(): task 'cut': half_spaces: half-space 1, [1. 0.] @ x <= -2.5, leaves no "
            "interior of the box [-2.5 -8. ] to [2.5 8. ]",
            files={
                "cut.py": "from safebench.task import half_spaces\n"
                + task("cut", half_spaces="half_spaces([[0.0, 1.0], [1.0, 0.0]], [1.0, -2.5])")
            },
        ),
        Case(
            "half-spaces without a direction",
            f"{FILE} ./flat.py",
            "Error: flat.py: make(): half-space 0 has the normal [0. 0.]: it must not be zero",
            files={
                "flat.py": "from safebench.task import half_spaces\n"
                + task("flat", half_spaces="half_spaces([[0.0, 0.0]], [1.0])")
            },
        ),
        Case(
            "half-spaces that the certificate was not made for",
            "safebench certify ./headway.py",
            "NOT PROVEN ./headway.py: half-spaces: the certificate is for 0, the task has 1; ...",
            exit=1,
            files={
                "headway.py": "from safebench.task import half_spaces\n"
                + task("headway", half_spaces="half_spaces([[0.0, 1.0]], [1.0])")
            },
        ),
        Case(
            "a goal that is reached by a number",
            f"{FILE} ./near.py",
            "Error: near.py: reached() gives float64: expected booleans",
            files={"near.py": task("near", reached="lambda x, context: jnp.abs(x)")},
        ),
        Case(
            "corridors for a safe set that nothing carries along",
            f"{FILE} ./still.py",
            "Error: still.py: make(): task 'still': corridors are given, but the certificate has no "
            "translations for its set to move along: find one with prove_safe_set(..., translations=...)",
            files={
                "still.py": "from safebench.task import Corridors\n"
                + task("still", corridors="Corridors(begin=print, move=print, clearance=print)")
            },
        ),
        Case(
            "corridors that begin with something else",
            f"{FILE} ./begun.py",
            "Error: begun.py: make(): task 'begun': corridors.begin gives a tuple, expected a "
            "Start(x, context, Corridor(low, high))",
            files={"begun.py": moving("begun", begin="lambda key: tuple(start())")},
        ),
        Case(
            "an episode that begins outside of its corridor",
            f"{FILE} ./apart.py",
            "Error: apart.py: corridors.begin() gives [0. 0. 0. 0. 0. 0.] at the start ... with the corridor "
            "[[5. 5.] [5. 5.]]: expected a state in the set of its corridor",
            files={"apart.py": moving("apart", begin="lambda key: start(5.0, 5.0)")},
        ),
        Case(
            "a corridor that is upside down, or wider than the proof",
            f"{FILE} ./turned.py",
            "Error: turned.py: corridors.begin() gives [[ 1. 1.] [-1. -1.]] at the start ...: expected "
            "low <= high within the certificate's translation limits ...",
            files={"turned.py": moving("turned", begin="lambda key: start(1.0, -1.0)")},
        ),
        Case(
            "an episode that begins where a corridor is not clear",
            f"{FILE} ./blocked.py",
            "Error: blocked.py: corridors.clearance() gives -0.5 at the start ...: expected at least 0 where "
            "an episode begins",
            files={
                "blocked.py": moving("blocked", clearance="lambda context, corridor: -0.5 + corridor.low[0]")
            },
        ),
        Case(
            "a corridor that moves to something else",
            f"{FILE} ./wide.py",
            "Error: wide.py: corridors.move() gives ...(3,)...: expected what corridors.begin() gives, ...",
            files={
                "wide.py": moving("wide", move="lambda x, context, corridor: Corridor(x[:3], corridor.high)")
            },
        ),
        Case(
            "a clearance of more than one number",
            f"{FILE} ./each.py",
            "Error: each.py: corridors.clearance() gives shape (2,): expected a scalar, shape ()",
            files={"each.py": moving("each", clearance="lambda context, corridor: corridor.low")},
        ),
        Case(
            "an observation that does not take the corridor",
            f"{FILE} ./unseen.py",
            "Error: unseen.py: observe(): ...TypeError: ...takes 2 positional arguments but 3 were given",
            files={"unseen.py": moving("unseen", fields="observe=lambda x, context: x")},
        ),
        Case(
            "a picture of something else",
            f"{FILE} ./drawn.py",
            "Error: drawn.py: picture() gives a ...: expected a Picture of discs ...",
            files={"drawn.py": moving("drawn", fields="picture=lambda x, context, corridor: x")},
        ),
        Case(
            "bad XML",
            f"{FILE} ./model.py",
            "Error: model.py: make(): assets/model.xml: XML parse error ...",
            files={
                "model.py": "from safebench.task import shipped_model\ndef synthesise(): ...\n"
                "def make(physics): return shipped_model(__file__)\n",
                "assets/model.xml": "<mujoco><worldbody>",
            },
        ),
        Case(
            "a safeguard that gives something else",
            "safebench run -t pendulum -g ./wide.py -l shac",
            "Error: wide.py: the safeguard gives a ...: expected a Guarded",
            files={"wide.py": GUARD.replace("guard(a, actions, lambda a, actions: {answer})", "a")},
        ),
        Case(
            "a safeguard without a setting that all have",
            "safebench run -t pendulum -g ./bare.py -l shac",
            "Error: bare.py: Config has no regularisation: expected a float, 0.0 where ...",
            files={"bare.py": GUARD.format(answer="a").replace("regularisation: float = 0.0", "pass")},
        ),
        Case(
            "a new plug-in of a bad name",
            "safebench new task 9lives",
            "Error: task name '9lives': expected a-z, 0-9 and single hyphens, a letter first, ...",
        ),
        Case(
            "a new plug-in where there is a file",
            "safebench new learner mine",
            "Error: mine.py exists already; nothing was written",
            files={"mine.py": ""},
        ),
        Case(
            "an installed plug-in that is broken: all else works",
            "safebench list learners",
            "...broken...SyntaxError...",
            exit=0,
            files={
                "spoilt_learner.py": "def make(:\n",
                "spoilt-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: spoilt\nVersion: 1\n",
                "spoilt-1.dist-info/entry_points.txt": "[safebench.learners]\nspoilt = spoilt_learner\n",
            },
        ),
    ],
    "Result files": [
        Case(
            "truncated",
            f"safebench verify {RESULT}",
            f"refused {RESULT}: not valid JSON (...); is it truncated?",
            exit=1,
            files={RESULT: lambda: result()[:200]},
        ),
        Case(
            "a byte order mark before the text",
            f"safebench verify {RESULT}",
            f"refused {RESULT}: starts with a byte order mark (BOM): save it as UTF-8 without one",
            exit=1,
            files={RESULT: lambda: b"\xef\xbb\xbf" + result()},
        ),
        Case(
            "another type, or out of range",
            f"safebench verify {RESULT}",
            f"refused {RESULT}: interactions: must be an integer, not a string",
            exit=1,
            files={RESULT: lambda: result(interactions="many")},
        ),
        Case(
            "a final return that was edited",
            f"safebench verify {RESULT}",
            f"refused {RESULT}: seed 0: final.return_mean is -1.0, but its curve gives ...",
            exit=1,
            files={RESULT: lambda: result(runs__0__final__return_mean=-1.0)},
        ),
        Case(
            "a certificate that nobody knows",
            f"safebench verify {RESULT}",
            f"refused {RESULT}: certificate: 000000000000... is not known for pendulum",
            exit=1,
            files={RESULT: lambda: result(certificate__sha256="00" * 32)},
        ),
        Case(
            "the same in a report: left out, others are shown; here there are none",
            "safebench report r",
            f"Error: r: ...{RESULT}: certificate: 000000000000... is not known ...",
            files={RESULT: lambda: result(certificate__sha256="00" * 32)},
        ),
        Case(
            "no such file",
            "safebench verify absent.json",
            "refused absent.json: cannot be read: No such file or directory",
            exit=1,
        ),
        Case(
            "no record of measured times",
            "safebench bench --against absent.json",
            "Error: there is no record absent.json: --against takes a file that ...",
        ),
        Case(
            "a record of something else",
            "safebench bench --against notes.json",
            "Error: notes.json: holds none of physics, safeguards, ...: --against takes a file that ...",
            files={"notes.json": "{}"},
        ),
        Case(
            "a record of other times than those asked for",
            "safebench bench filter --against times.json",
            "Error: times.json holds growth, not filter",
            files={"times.json": '{"growth": [{"task": "arm2", "joints": 2, "certify_seconds": 1.0}]}'},
        ),
        Case(
            "a checkpoint that is none",
            "safebench play notes.json",
            "Error: notes.json: ...",
            files={"notes.json": "{}"},
        ),
    ],
    "Folders and files to write": [
        Case("no such folder", "safebench report nowhere", "Error: nowhere: no such folder"),
        Case(
            "a folder without results",
            "safebench leaderboard empty",
            "Error: empty: no results...",
            files={"empty/notes.txt": ""},
        ),
        Case(
            "a folder with nothing but a damaged result",
            "safebench report r",
            f"Error: r: no results...: 1 file cannot be read: {RESULT}: ...",
            files={RESULT: "{"},
        ),
        Case(
            "a folder that is a file",
            f"{CELL} --out taken",
            "Error: ...'taken'...",
            files={"taken": ""},
        ),
        Case(
            "a format that is not drawn",
            "safebench draw -t pendulum --out picture.bmp",
            "Error: picture.bmp: a figure is a .png, .svg or .pdf",
        ),
    ],
    "Certificates": [
        Case(
            "no such file",
            "safebench certify pendulum --certificate absent.npz",
            "Error: there is no certificate file absent.npz",
        ),
        Case(
            "no certificate",
            "safebench certify pendulum --certificate x.json",
            "NOT PROVEN pendulum: x.json is not a certificate or is damaged: ...",
            exit=1,
            files={"x.json": "{}"},
        ),
        Case(
            "a task without one",
            "safebench certify ./bare_task.py",
            "NOT PROVEN ...no certificate certificates/bare_task.npz; find one with `safebench certify ...",
            exit=1,
            files={
                "bare_task.py": "from safebench.task import shipped_certificate\n"
                + task(
                    "bare-task", certificate="shipped_certificate(__file__, pendulum.make(physics).dynamics)"
                )
            },
        ),
        Case(
            "options that do not go together",
            "safebench certify pendulum --save mine.npz",
            "Error: --save goes with --synthesise",
        ),
    ],
    "The environment": [
        Case(
            "an accelerator that is not there",
            CELL,
            "Error: JAX_PLATFORMS='cuda': no such device can be used here, only: ...",
            environment={"JAX_PLATFORMS": "cuda"},
        ),
        Case(
            "a notebook's matplotlib: not used",
            "safebench run -t pendulm -g none -l shac",
            "Error: unknown task 'pendulm'. ...",
            environment={"MPLBACKEND": "module://matplotlib_inline.backend_inline"},
        ),
    ],
    "Python": [
        Case(
            "an unknown keyword",
            "safebench.train('pendulum', 'none', 'shac', window=8)",
            "unknown setting 'window'. ...learner_FIELD...",
            exit=None,
        ),
        Case(
            "a bad value",
            "safebench.guard('ray-mask', regularisation=-1.0)",
            "safeguard.regularisation must be a finite number >= 0, not -1.0",
            exit=None,
        ),
        Case(
            "seeds that are named twice",
            "safebench.train('pendulum', 'none', 'shac', seeds=(1, 1))",
            "seed 1 is named twice",
            exit=None,
        ),
        Case(
            "a seed that is no 32-bit number",
            "safebench.train('pendulum', 'none', 'shac', seeds=[-1])",
            "a seed must be at least 0, not -1",
            exit=None,
        ),
        Case(
            "seeds that are no numbers",
            "safebench.train('pendulum', 'none', 'shac', seeds=[0.5])",
            "seeds wants a whole number or a list of them, not [0.5]",
            exit=None,
        ),
        Case("no safeguard", "safebench.make('pendulum', None)", "unknown safeguard 'None'. ...", exit=None),
    ],
}
CASES = list(itertools.chain(*SECTIONS.values()))


def page() -> str:
    """The page as it should be."""
    lines = [INTRODUCTION, "| Input | Example | Exit | What is printed |", "|---|---|---|---|"]
    for section, cases in SECTIONS.items():
        lines.append(f"| **{section}** | | | |")
        lines += [f"| {_row(case)} |" for case in cases]
    return "\n".join(lines) + "\n"


def _row(case: Case) -> str:
    code = "raises" if case.exit is None else str(case.exit)
    return " | ".join([case.what, _code(_short(case.shown)), code, _code(case.line)])


def _short(text: str) -> str:
    return re.sub(r"(.)\1{20,}", r"\1\1\1...", text)


def _code(text: str) -> str:
    """As code in a table, where a pipe would end the cell."""
    return f"<code>{html.escape(text, quote=False).replace('|', '&#124;').replace('[', '&#91;')}</code>"


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"wrote {PAGE}")
