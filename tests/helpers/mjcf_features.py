"""Every MJCF feature of hinge-and-slide models, as pieces put into one small model.

The lists say what is expected of a feature: it MOVES the next state and every physics agrees, it is HARMLESS
(it changes nothing, in any physics), or it is REFUSED. Tests step each; models_page.py makes a page of them.
"""

import re
from typing import NamedTuple

import mujoco

ATTRIBUTES = {
    "compiler": 'angle="radian"',
    "option": 'timestep="0.01" gravity="1 2 -9.81"',
    "flag": 'contact="disable" constraint="disable" eulerdamp="disable" clampctrl="disable"',
    "arm": 'name="arm" pos="0.1 0.2 0.3"',
    "body": 'name="slider" pos="0 0.1 0.5"',
    "inertial": 'pos="0.1 0.05 0.4" mass="1.5" diaginertia="0.1 0.12 0.15"',
    "joint": 'name="hinge" axis="0.3 1 0.2"',
    "geom": 'name="rod" size="0.1"',
    "site": 'name="tip" pos="0 0.1 0.5"',
    "general": 'name="torque" joint="hinge" gear="2"',
}
"""What the small model writes of each element whose attributes features add or replace; "" drops one."""

TEMPLATE = """<mujoco><compiler {compiler}/><option {option}><flag {flag}/></option>{top}<worldbody>{world}
<body {arm}><inertial {inertial}/><joint {joint}/><geom {geom}/><site {site}/>{inside}
<body {body}><inertial pos="0.1 0.2 0" mass="0.5" diaginertia="0.01 0.02 0.025"/>
<joint name="slide" type="slide" axis="1 0 0"/><site name="end"/></body></body></worldbody>
<actuator><general {general}/><motor name="force" joint="slide" gear="3"/>{actuator}</actuator></mujoco>"""

PIECES = ("top", "world", "inside", "actuator")
"""Places for whole elements: beside <worldbody>, in it, in the body "arm", in <actuator>."""

PLACES = {"body of the root": "arm", "bodies inside": "inside", "elements of the world": "world"} | {
    "actuators": "actuator",
    "actuator general": "general",
}
"""Where the features of a section go, if neither to the place of that name nor to "top"."""

MOUNTED = {"general": 'joint="" site="tip" gear="1 2 3 4 5 6"'}
SOFT = {"top": '<default><default class="soft"><joint stiffness="2"/></default></default>'}
MESH = {"top": '<asset><mesh name="m" vertex="0 0 0 1 0 0 0 1 0 0 0 1"/></asset>'}
FROM_GEOM = {"compiler": 'inertiafromgeom="true"'}
COMPENSATED = {"body": 'gravcomp="0.5"'}
TENDON = {"top": '<tendon><fixed name="t"><joint joint="hinge" coef="1"/></fixed></tendon>'}

MOVES = {
    "compiler": """
        inertiafromgeom="true" | boundmass="2" | boundinertia="0.2"
    """,
    "option": """
        timestep="0.02" | gravity="0 0 -5"
    """,
    "flag": """
        gravity="disable"
    """,
    "default": """
        <default><joint damping="0.3"/></default> |
        <default><general biastype="affine" biasprm="1"/></default>
    """,
    "body": """
        gravcomp="0.5" | quat="1 0.2 0.3 0.4" | axisangle="1 0 0 0.5" | xyaxes="1 0.2 0 0 1 0.1" |
        zaxis="0 0.3 1" | euler="0.1 0.2 0.3" | pos="0.3 0.2 0.1"
    """,
    "bodies inside": """
        <body pos="0 0 1"><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/></body> |
        <frame pos="0 0 1"><body><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/></body></frame> |
        <replicate count="2" offset="0 1 0"><body><inertial pos="0 0 0" mass="1" diaginertia="1 1
        1"/></body></replicate> |
        <body><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/><joint axis="1 0 0"/><joint type="slide"
        axis="0 1 0"/></body>
    """,
    "inertial": """
        mass="2" | pos="0 0 0" | quat="1 0.2 0.3 0.4" | diaginertia="0.2 0.25 0.3" |
        diaginertia="" fullinertia="0.1 0.12 0.15 0.01 0.02 0.03" | axisangle="1 0 0 0.5" |
        xyaxes="1 0.2 0 0 1 0.1" | zaxis="0 0.3 1" | euler="0.1 0.2 0.3"
    """,
    "joint": """
        type="slide" | pos="0.1 0.2 0.3" | axis="1 0.3 0" | stiffness="2" | springref="0.4" stiffness="2" |
        springdamper="0.3 1" | damping="0.3" | armature="0.1" | ref="0.4"
    """,
    "site": """
        pos="0 0.3 0.2" | quat="1 0.2 0.3 0.4" | axisangle="1 0 0 0.5" | xyaxes="1 0.2 0 0 1 0.1" |
        zaxis="0 0.3 1" | euler="0.1 0.2 0.3" | pos="" fromto="0 0 0 0 1 1" type="capsule"
    """,
    "actuator general": """
        gear="3" | gear="3 4 5 6 7 8" | joint="" site="tip" gear="1 2 3 4 5 6" |
        joint="" site="tip" gear="1 2 3 4 5 6" biastype="affine" biasprm="1 0 0" |
        gaintype="fixed" gainprm="3" | gaintype="affine" gainprm="1 2 3" |
        biastype="affine" biasprm="1 2 3" | ctrlrange="-3 3" | ctrlrange="0 13"
    """,
    "actuators": """
        <motor joint="hinge" gear="2"/> | <position joint="hinge" kp="3" kv="1"/> |
        <position joint="hinge" kp="3" dampratio="1"/> | <velocity joint="hinge" kv="2"/> |
        <damper joint="hinge" kv="2" ctrlrange="0 1"/>
    """,
}
"""Of every section, separated by |: what moves the next state, alike in every physics."""

HARMLESS = {
    "compiler": """
        autolimits="false" | balanceinertia="true" | alignfree="true" | discardvisual="true" |
        saveinertial="true" | usethread="false" | fitaabb="true" | strippath="true" | savecompiled="true" |
        savecanonical="true" | meshdir="." | texturedir="." | assetdir="."
    """,
    "option": """
        integrator="Euler" | wind="1 2 3" | magnetic="1 0 0" | cone="elliptic" | jacobian="sparse" |
        jacobian="dense" | solver="CG" | iterations="3" | tolerance="0.1" | ls_iterations="3" |
        ls_tolerance="0.1" | noslip_iterations="3" | noslip_tolerance="0.1" | ccd_iterations="3" |
        ccd_tolerance="0.1" | sdf_iterations="3" | sdf_initpoints="3" | impratio="3" | o_margin="0.1" |
        o_solref="0.1 1" | o_solimp="0.8 0.9 0.001 0.5 2" | o_friction="1 1 1 1 1" | sleep_tolerance="1"
    """,
    "flag": """
        equality="disable" | frictionloss="disable" | limit="disable" | warmstart="disable" |
        filterparent="disable" | refsafe="disable" | sensor="disable" | midphase="disable" |
        autoreset="disable" | nativeccd="disable" | island="disable" | multiccd="disable"
    """,
    "body": """
        user="1 2" | simple="false" | fuse="auto" | fuse="false" | simple="auto"
    """,
    "elements of the world": """
        <body gravcomp="1" pos="0 0 1"><geom size="0.1"/></body> | <geom type="plane" size="1 1 1"/> |
        <camera mode="targetbody" target="arm"/> | <light pos="0 0 3"/>
    """,
    "body of the root": """
        sleep="never" | sleep="allowed" | sleep="init" | mocap="false"
    """,
    "joint": """
        type="hinge" | range="-1 1" limited="false" | margin="0.1" | solreflimit="0.1 1" |
        solimplimit="0.8 0.9 0.001 0.5 2" | solreffriction="0.1 1" | solimpfriction="0.8 0.9 0.001 0.5 2" |
        actuatorfrcrange="-1 1" actuatorfrclimited="false" | group="2" | user="1 2"
    """,
    "geom": """
        type="box" size="0.1 0.1 0.1" | type="cylinder" size="0.1 0.1" |
        type="ellipsoid" size="0.1 0.2 0.1" | size="" fromto="0 0 0 0 0 1" type="capsule" size="0.1" |
        mass="2" | density="20" | shellinertia="true" | pos="0 0 1" | quat="1 1 0 0" | contype="0" |
        conaffinity="0" | condim="1" | priority="1" | friction="0.3" | solmix="2" | solref="0.1 1" |
        solimp="0.8 0.9 0.001 0.5 2" | margin="0.1" | gap="0.1" | adhesion="1" | surfacevel="1 0 0 0 0 0" |
        fluidshape="ellipsoid" | fluidcoef="1 1 1 1 1" | rgba="1 0 0 1" | group="2" | user="1 2"
    """,
    "site": """
        type="box" | size="0.2" | group="2" | rgba="1 0 0 1" | user="1 2"
    """,
    "actuator general": """
        joint="" jointinparent="hinge" | ctrlrange="-3 3" ctrllimited="false" |
        forcerange="-1 1" forcelimited="false" | dynprm="3" | lengthrange="-1 1" | inheritrange="1" |
        group="2" | user="1 2" | velrange="-1 1" | ffrange="-1 1" | input="pos" | input="vel" |
        actlimited="false" actrange="-1 1"
    """,
    "contact": """
        <contact><exclude body1="arm" body2="slider"/></contact>
    """,
    "sensor": """
        <sensor><jointpos joint="hinge"/></sensor> | <sensor><accelerometer site="tip"/></sensor> |
        <sensor><jointpos joint="hinge" delay="0.02" nsample="3" interval="0.02"/></sensor> |
        <sensor><contact geom1="rod"/></sensor> | <sensor><clock/></sensor>
    """,
    "other elements": """
        <keyframe><key qpos="1 1"/></keyframe> | <custom><numeric name="n" data="1 2"/></custom> |
        <custom><text name="n" data="a"/></custom> |
        <custom><tuple name="n"><element objtype="body" objname="arm"/></tuple></custom> |
        <asset><texture name="x" type="2d" builtin="flat" width="4" height="4"/><material name="m"
        texture="x"/></asset> | <visual><global fovy="30"/></visual> | <statistic extent="2"/> |
        <size memory="10M" nuserdata="3"/> |
        <deformable><skin name="s" vertex="0 0 0 1 0 0 0 1 0" face="0 1 2"><bone body="arm" bindpos="0 0 0"
        bindquat="1 0 0 0" vertid="0 1 2" vertweight="1 1 1"/></skin></deformable>
    """,
}
"""What changes nothing but rounding, in any physics."""

REFUSED = {
    "option": """
        integrator="RK4" | integrator="implicit" | integrator="implicitfast" | integrator="discrete" |
        density="1.2" | viscosity="0.1" | actuatorgroupdisable="0" | actuatorgroupdisable="3" | solver="PGS"
    """,
    "flag": """
        contact="enable" | constraint="enable" | eulerdamp="enable" | clampctrl="enable" |
        spring="disable" | damper="disable" | actuation="disable" | override="enable" | energy="enable" |
        fwdinv="enable" | invdiscrete="enable" | sleep="enable" | diagexact="enable"
    """,
    "bodies inside": """
        <body><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/><joint type="ball"/></body>
    """,
    "elements of the world": """
        <body><freejoint group="1" align="true" name="free"/><geom size="0.1"/></body> |
        <body mocap="true"><geom size="0.1"/></body> |
        <flexcomp name="f" type="grid" count="2 2 1" dim="2" mass="1"><edge equality="true"/></flexcomp>
    """,
    "joint": """
        type="ball" | type="free" | stiffness="2 1 1" | damping="0.3 1 1" | frictionloss="0.1" |
        range="-1 1" | range="-1 1" limited="true" | actuatorfrcrange="-1 1"
    """,
    "actuator general": """
        joint="" site="tip" biastype="affine" biasprm="0 0 1" |
        joint="" site="tip" gaintype="affine" gainprm="1 1" | joint="" site="tip" refsite="end" |
        joint="" cranksite="tip" slidersite="end" cranklength="1" | joint="" body="arm" |
        gaintype="muscle" gainprm="0.75 1.05 -1 200 0.5 1.6 1.5 1.3 1.2" lengthrange="-1 1" |
        gaintype="user" |
        biastype="muscle" biasprm="0.75 1.05 -1 200 0.5 1.6 1.5 1.3 1.2" lengthrange="-1 1" |
        biastype="user" | forcerange="-1 1" | dyntype="integrator" | dyntype="filter" |
        dyntype="filterexact" dynprm="0.1" | dyntype="muscle" | dyntype="user" actdim="2" |
        dyntype="integrator" actrange="-1 1" actlimited="true" | dyntype="integrator" actearly="true" |
        delay="0.02" nsample="4" | nsample="4" | nsample="4" interp="linear" | damping="0.3" |
        armature="0.1" | gaintype="pid" biastype="affine" gainprm="0" input="pos vel"
    """,
    "actuators": """
        <position joint="hinge" kp="3" timeconst="0.1"/> |
        <intvelocity joint="hinge" kp="3" actrange="-1 1"/> |
        <cylinder joint="hinge" area="2" timeconst="0.1"/> |
        <cylinder joint="hinge" diameter="2" bias="1 2 3"/> | <muscle joint="hinge" lengthrange="-1 1"/> |
        <adhesion body="arm" ctrlrange="0 1"/> | <dcmotor joint="hinge" motorconst="1 1" resistance="1"/> |
        <pid joint="hinge" kp="3" kv="1"/> | <pid joint="hinge" kp="3" ki="1" kv="1"/> |
        <orientation site="tip" refsite="end" kp="3"/>
    """,
    "tendon": """
        <tendon><fixed name="t"><joint joint="hinge" coef="1"/></fixed></tendon> |
        <tendon><fixed name="t" stiffness="3" damping="1" armature="0.1"><joint joint="hinge"
        coef="1"/></fixed></tendon> |
        <tendon><spatial name="t" stiffness="3"><site site="tip"/><site site="end"/></spatial></tendon>
    """,
    "equality": """
        <equality><connect body1="arm" body2="slider" anchor="0 0 0"/></equality> |
        <equality><weld body1="slider"/></equality> |
        <equality><joint joint1="hinge" joint2="slide"/></equality> |
        <equality><joint active="false" joint1="hinge"/></equality>
    """,
    "sensor": """
        <sensor><contact site="tip"/></sensor> | <sensor><user dim="1"/></sensor> |
        <sensor><e_kinetic/></sensor>
    """,
}
"""What `check_supported` refuses."""

SETTINGS: dict[str, dict[str, str]] = {"site": MOUNTED}
"""What all features of a section need so that they can act, as {place: attributes or piece}."""

ALONE = [
    ("moves", "actuator general", 'joint="slide"', {}),
    ("harmless", "site", 'type="mesh" size="" mesh="m"', {**MOUNTED, **MESH}),
    ("moves", "geom", 'size="0.3"', FROM_GEOM),
    ("moves", "geom", 'type="capsule" size="0.1 0.4"', FROM_GEOM),
    ("moves", "geom", 'fromto="0 0 0 0 0 1" type="capsule"', FROM_GEOM),
    ("moves", "geom", 'pos="0 0.2 1"', FROM_GEOM),
    ("moves", "geom", 'mass="2"', FROM_GEOM),
    ("moves", "geom", 'density="20"', FROM_GEOM),
    ("moves", "geom", 'quat="1 1 0 0"', {**FROM_GEOM, "geom": 'type="capsule" size="0.1 0.4"'}),
    ("moves", "geom", 'xyaxes="1 0.2 0 0 1 0.1"', {**FROM_GEOM, "geom": 'type="box" size="0.1 0.2 0.3"'}),
    ("moves", "geom", 'zaxis="0 0.3 1"', {**FROM_GEOM, "geom": 'type="capsule" size="0.1 0.4"'}),
    ("moves", "geom", 'euler="0.1 0.2 0.3"', {**FROM_GEOM, "geom": 'type="capsule" size="0.1 0.4"'}),
    ("moves", "geom", 'axisangle="1 0 0 1"', {**FROM_GEOM, "geom": 'type="capsule" size="0.1 0.4"'}),
    ("moves", "geom", 'type="box" mesh="m" fitscale="2"', {**FROM_GEOM, **MESH}),
    ("moves", "geom", 'shellinertia="true"', {**FROM_GEOM, "geom": 'mass="2"'}),
    ("moves", "compiler", 'angle="degree"', {"joint": 'ref="0.4"'}),
    ("moves", "compiler", 'eulerseq="zyx"', {"body": 'euler="0.1 0.2 0.3"'}),
    (
        "moves",
        "compiler",
        'inertiagrouprange="0 1"',
        {"compiler": 'inertiafromgeom="true"', "inside": '<geom size="0.3" group="2"/>'},
    ),
    ("moves", "body", 'childclass="soft"', SOFT),
    ("moves", "joint", 'class="soft"', SOFT),
    (
        "moves",
        "actuators",
        '<position joint="hinge" kp="3" inheritrange="1"/>',
        {"joint": 'range="-1 2" limited="false"'},
    ),
    ("harmless", "compiler", 'fusestatic="true"', {"inside": '<body><geom size="0.1" pos="0 0 1"/></body>'}),
    ("harmless", "joint", 'actuatorgravcomp="true"', COMPENSATED),
    (
        "harmless",
        "geom",
        'type="mesh" mesh="m" size=""',
        {"top": '<asset><mesh name="m" vertex="0 0 0 1 0 0 0 1 0 0 0 1"/></asset>'},
    ),
    (
        "harmless",
        "geom",
        'type="hfield" hfield="h" size=""',
        {"top": '<asset><hfield name="h" nrow="2" ncol="2" size="1 1 1 1"/></asset>'},
    ),
    (
        "harmless",
        "contact",
        '<contact><pair geom1="rod" geom2="ball"/></contact>',
        {"world": '<body><geom name="ball" size="0.1"/></body>'},
    ),
    ("refused", "flag", 'ipc="enable"', {"option": 'integrator="discrete" solver="CG"'}),
    ("refused", "actuator general", 'joint="" tendon="t"', TENDON),
    ("refused", "equality", '<equality><tendon tendon1="t"/></equality>', TENDON),
]
"""Features with settings of their own: (expected, section, written, settings)."""


class Feature(NamedTuple):
    """expected: "moves", "harmless" or "refused". written: attributes, or a piece of MJCF.

    given: what else the model has, so that the feature can act, as {place: attributes or piece}.
    """

    expected: str
    section: str
    written: str
    given: dict[str, str]

    @property
    def place(self) -> str:
        place = PLACES.get(self.section, self.section)
        return place if place in ATTRIBUTES or place in PIECES else "top"

    @property
    def shown(self) -> str:
        """As MJCF."""
        return _shown(self.place, self.written)

    @property
    def setting(self) -> str:
        """What it was given, as MJCF."""
        return ", ".join(_shown(place, written) for place, written in self.given.items())

    def models(self) -> tuple[mujoco.MjModel, mujoco.MjModel]:
        """The small model with the feature, and without it."""
        both = self.given | {self.place: f"{self.given.get(self.place, '')} {self.written}"}
        return small_model(both), small_model(self.given)


def _shown(place: str, written: str) -> str:
    if place not in ATTRIBUTES:
        return written
    kept = " ".join(re.findall(r'\w+="[^"]+"', written))  # without the attributes that are dropped
    return f"<{'body' if place == 'arm' else place} {kept}/>"


def small_model(changes: dict[str, str]) -> mujoco.MjModel:
    """The small model with changes, as {place: attributes or piece}."""
    parts = {place: changes.get(place, "") for place in (*ATTRIBUTES, *PIECES)}
    for place, attributes in ATTRIBUTES.items():
        merged = dict(re.findall(r'(\w+)="([^"]*)"', f"{attributes} {parts[place]}"))
        parts[place] = " ".join(f'{name}="{value}"' for name, value in merged.items() if value)
    return mujoco.MjModel.from_xml_string(TEMPLATE.format(**parts))


FEATURES = [
    Feature(expected, section, " ".join(written.split()), SETTINGS.get(section, {}))
    for expected, sections in (("moves", MOVES), ("harmless", HARMLESS), ("refused", REFUSED))
    for section, entries in sections.items()
    for written in entries.split("|")
] + [Feature(*feature) for feature in ALONE]
