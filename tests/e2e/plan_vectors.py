"""Steps for settings-sync-daemon plan and what must come of them, as a table.

A vector is a name and steps, each on the state the one before left: what the user changes in the file (F), what Helix
changes in its base (H), and what the step says then: "at" values in the file, "u" the whole overrides, "events" all of
them as (type, path, rule), "changed" whether there is something to write, "order" the last keys of an object.
GONE removes or is absent. Each vector starts with a file that was rendered from B0.
"""
GONE = object()
NONE = {"set": {}, "del": []}
RAG, SES, TEAM = "/context_servers/helix-rag", "/context_servers/helix-session", "/context_servers/team-x"
B0 = {"context_servers": {"helix-rag": {"url": "http://h/rag", "headers": {"Authorization": "Bearer T1"}},
                          "helix-session": {"url": "http://h/ses"}, "team-x": {"command": "tx", "args": ["a"]}},
      "agent": {"default_model": {"provider": "openai", "model": "m1"}, "show_onboarding": False},
      "theme": "Ayu Dark", "format_on_save": "off", "languages": {"Go": {"format_on_save": "on"}}}
P0 = {"rules": [{"path": "/agent/default_model", "class": "helix-owned"},
                {"path": "/context_servers/helix-session", "class": "helix-owned"},
                {"path": "/context_servers/helix-*", "class": "no-delete"},
                {"path": "/telemetry", "class": "protected"}]}
MODELS = "/language_models/openai/available_models"
P_KEYED = {"arrays": [{"path": "/language_models/*/available_models", "merge": "keyed", "by": "name"}]}


def sets(u=None, dels=(), **more):
    return {"set": {**(u or {}), **more}, "del": list(dels)}


OFF = {"F": {RAG + "/enabled": False}, "u": sets({RAG + "/enabled": False}), "changed": False, "events": []}
THEME_X = {"F": {"/theme": "X"}, "u": sets({"/theme": "X"}), "changed": False, "events": []}
MINE = {"F": {"/context_servers/mine": {"command": "m", "args": []}}, "changed": False, "events": [],
        "u": sets({"/context_servers/mine/command": "m", "/context_servers/mine/args": []})}
TEAM_DELS = [TEAM + "/command", TEAM + "/args"]

# name: (steps, policy and base if not P0 and B0)
VECTORS = {
    "A01": [{"u": NONE, "changed": False, "events": []}],
    "A02": [{"H": {"/theme": "One Light"}, "at": {"/theme": "One Light"}, "u": NONE, "events": []}],
    "A03": [THEME_X],
    "A04": [THEME_X, {"H": {"/theme": "One Light"}, "changed": False, "at": {"/theme": "X"}, "u": sets({"/theme": "X"}),
                      "events": [("shadowed", "/theme", "override")]}],
    "A05": [{"F": {"/theme": "X"}, "H": {"/theme": "Y"}, "at": {"/theme": "X"}, "u": sets({"/theme": "X"}),
             "events": [("conflict", "/theme", "user-wins")],
             "sides": {"base": "Ayu Dark", "helix": "Y", "user": "X"}}],
    "A06": [THEME_X, {"F": {"/theme": "Ayu Dark"}, "u": NONE, "changed": False, "events": []}],
    "A07": [THEME_X, {"H": {"/theme": "X"}, "u": sets({"/theme": "X"}), "changed": False, "events": []},
            {"H": {"/theme": "Z"}, "at": {"/theme": "X"}, "u": sets({"/theme": "X"}), "changed": False}],
    "A08": [{"F": {"/format_on_save": GONE}, "u": sets(dels=["/format_on_save"]), "changed": False, "events": []},
            {"H": {"/format_on_save": "on"}, "at": {"/format_on_save": GONE}, "changed": False,
             "u": sets(dels=["/format_on_save"]), "events": [("shadowed", "/format_on_save", "override")]}],
    "A09": [{"F": {"/format_on_save": GONE}},
            {"F": {"/format_on_save": "off"}, "u": NONE, "changed": False, "events": []}],
    "A10": [{"F": {RAG: GONE}, "at": {RAG: B0["context_servers"]["helix-rag"]}, "u": NONE, "changed": True,
             "order": ("/context_servers", ["helix-session", "team-x", "helix-rag"]),
             "events": [("restored", RAG, "no-delete")]}, {"changed": False, "events": []}],
    "A11": [OFF],
    "A12": [OFF, {"H": {RAG + "/headers/Authorization": "Bearer T2"}, "u": sets({RAG + "/enabled": False}),
                  "at": {RAG + "/headers/Authorization": "Bearer T2", RAG + "/enabled": False}, "changed": True}],
    "A13": [OFF, {"F": {RAG: GONE}, "at": {RAG: {**B0["context_servers"]["helix-rag"], "enabled": False}},
                  "u": sets({RAG + "/enabled": False}), "events": [("restored", RAG, "no-delete")]}],
    "A14": [OFF, {"F": {RAG + "/enabled": True}, "u": sets({RAG + "/enabled": True}), "changed": False}],
    "A15": [OFF, {"F": {RAG + "/enabled": GONE}, "u": NONE, "changed": False, "events": []}],
    "A16": [{"F": {SES + "/url": "http://evil"}, "at": {SES + "/url": "http://h/ses"}, "u": NONE, "changed": True,
             "events": [("rejected", SES + "/url", "helix-owned")]}],
    "A17": [{"F": {"/agent/default_model/model": "m2", "/agent/show_onboarding": True},
             "at": {"/agent/default_model/model": "m1", "/agent/show_onboarding": True},
             "u": sets({"/agent/show_onboarding": True}),
             "events": [("rejected", "/agent/default_model/model", "helix-owned")]}],
    "A18": [{"F": {"/agent": GONE}, "at": {"/agent": {"default_model": {"provider": "openai", "model": "m1"}}},
             "u": sets(dels=["/agent/show_onboarding"]),
             "events": [("restored", "/agent/default_model", "helix-owned")]}],
    "A19": [{"F": {"/linux": {"agent": {"default_model": {"provider": "x", "model": "y"}}}}, "at": {"/linux": GONE},
             "u": NONE, "events": [("rejected", "/linux/agent/default_model/provider", "helix-owned"),
                                   ("rejected", "/linux/agent/default_model/model", "helix-owned")]},
            {"F": {"/linux": {"agent": {"default_model": {"provider": "x"}, "dock": "left"}}},
             "at": {"/linux": {"agent": {"dock": "left"}}}, "u": sets({"/linux/agent/dock": "left"})}],
    "A20": [{"F": {"/profiles": {"p": {"settings": {"agent": {"default_model": None}}}}},
             "at": {"/profiles": {"p": {"settings": {}}}}, "u": NONE,
             "events": [("rejected", "/profiles/p/settings/agent/default_model", "helix-owned")]}],
    "A21": [MINE, {"H": {TEAM: GONE, "/theme": "Z"}, "u": MINE["u"],
                   "at": {"/context_servers/mine": {"command": "m", "args": []}, "/theme": "Z"}, "events": []}],
    "A22": [MINE, {"F": {"/context_servers/mine": GONE}, "u": NONE, "changed": False, "events": []}],
    "A23": [{"F": {TEAM: GONE}, "u": sets(dels=TEAM_DELS), "changed": False, "events": []},
            {"H": {TEAM + "/args": ["z"]}, "at": {TEAM: GONE}, "u": sets(dels=TEAM_DELS), "changed": False},
            {"H": {TEAM + "/env": {"K": "v"}}, "at": {TEAM: GONE}, "changed": False}],
    "A24": [{"H": {TEAM: GONE}, "at": {TEAM: GONE}, "u": NONE, "events": []}],
    "A25": [{"F": {TEAM + "/args": ["b"]}, "u": sets({TEAM + "/args": ["b"]})},
            {"H": {TEAM: GONE}, "at": {TEAM: {"command": "tx", "args": ["b"]}}, "changed": False,
             "u": sets({TEAM + "/args": ["b"], TEAM + "/command": "tx"}),
             "events": [("transferred", TEAM, "user-wins")]}],
    "A26": [OFF, {"H": {RAG: GONE}, "at": {RAG: GONE}, "u": sets({RAG + "/enabled": False}),
                  "events": [("dormant", RAG, "shape")]}],
    "A27": [OFF, {"H": {RAG: GONE}}, {"H": {RAG: {"url": "u2"}}, "at": {RAG: {"url": "u2", "enabled": False}},
                                      "u": sets({RAG + "/enabled": False})}],
    "A28": [{"F": {"/context_servers": GONE}, "u": sets(dels=TEAM_DELS),
             "at": {"/context_servers": {k: B0["context_servers"][k] for k in ("helix-rag", "helix-session")}},
             "events": [("restored", RAG, "no-delete"), ("restored", SES, "helix-owned")]}],
    "A29": [{"F": {TEAM + "/args": ["a", "b"]}, "H": {TEAM + "/args": ["c"]}, "at": {TEAM + "/args": ["a", "b"]},
             "u": sets({TEAM + "/args": ["a", "b"]}), "events": [("conflict", TEAM + "/args", "user-wins")]}],
    "A30": ([{"F": {MODELS: [{"name": "m1"}, {"name": "mU"}]}, "H": {MODELS: [{"name": "m1"}, {"name": "m2"}]},
              "at": {MODELS: [{"name": "m1"}, {"name": "m2"}, {"name": "mU"}]}}],
            P_KEYED, {"language_models": {"openai": {"available_models": [{"name": "m1"}]}}}),
    "D08": [{"H": {TEAM + "/args": None, "/context_servers/new": {"command": "c"}, "/theme": "One Light"},
             "at": {TEAM: B0["context_servers"]["team-x"], "/context_servers/new": GONE, "/theme": "One Light"},
             "u": NONE, "events": [("base_invalid", TEAM + "/args", "shape"),
                                   ("base_invalid", "/context_servers/new/args", "shape")]}],
    # beyond the vectors: rules that meet
    "variant: the user's url, the base's command": [
        {"F": {TEAM + "/url": "u"}, "at": {TEAM: {"url": "u"}}, "u": sets({TEAM + "/url": "u"})}, {"changed": False}],
    "variant: replaced whole, Helix goes on": [
        {"F": {RAG: {"command": "c", "args": []}}, "changed": False},
        {"H": {RAG + "/headers/X": "1"}, "at": {RAG + "/command": "c", RAG + "/url": GONE}}, {"changed": False}],
    "an object is emptied, what is reserved or owned comes back": [
        {"F": {"/context_servers": {}, "/agent": {}}, "u": sets(dels=TEAM_DELS + ["/agent/show_onboarding"]),
         "at": {RAG: B0["context_servers"]["helix-rag"], "/agent": {"default_model": B0["agent"]["default_model"]}}},
        {"changed": False}],
    "an object with owned leaves becomes a number": [
        {"F": {"/agent": 5}, "at": {"/agent": B0["agent"]}, "u": NONE, "events": [("rejected", "/agent", "guarded")]}],
    "a reserved entry becomes null": [
        {"F": {RAG: None}, "at": {RAG: B0["context_servers"]["helix-rag"]}, "u": NONE,
         "events": [("restored", RAG, "no-delete")]}],
    "a string becomes an object, and the base's again": [
        {"F": {"/theme": {"mode": "system", "light": "a", "dark": "b"}}, "changed": False,
         "u": sets({"/theme/mode": "system", "/theme/light": "a", "/theme/dark": "b"})},
        {"H": {"/theme": "One Light"}, "changed": False}, {"F": {"/theme": "One Light"}, "u": NONE, "changed": False}],
    "null is a value": [{"F": {"/theme": None}, "u": sets({"/theme": None}), "changed": False, "events": []}],
    "owned only where the base says something": [
        {"F": {SES + "/enabled": False}, "changed": False, "u": NONE, "events": []}, {"changed": False}],
    "protected on both sides": [
        {"F": {"/telemetry": {"metrics": False}}, "u": NONE, "changed": False, "events": []},
        {"H": {"/telemetry": {"metrics": True}}, "u": NONE, "changed": False, "at": {"/telemetry/metrics": False},
         "events": [("ignored", "/telemetry/metrics", "protected")]}],
    "a tomb with nothing left to remove": [
        {"F": {"/format_on_save": GONE}, "H": {"/format_on_save": GONE}, "u": NONE, "changed": False, "events": []}],
    "the same on both sides": [
        {"F": {"/x": 1.0}, "H": {"/x": 1}, "u": NONE, "changed": False, "events": []},
        {"F": {"/y": {"a": 1}}, "H": {"/y": {"a": 2}}, "u": sets({"/y/a": 1}),
         "events": [("conflict", "/y/a", "user-wins")]}],
    "a wiped file is held": [
        {"F": {"/context_servers": GONE, "/agent": GONE, "/theme": GONE, "/format_on_save": GONE, "/languages": GONE},
         "u": NONE, "at": {RAG: B0["context_servers"]["helix-rag"], "/theme": GONE, TEAM: GONE}}],
    "deleted comes back switched off": (
        [{"F": {RAG: GONE}, "at": {RAG: {**B0["context_servers"]["helix-rag"], "enabled": False}},
          "u": sets({RAG + "/enabled": False}), "events": [("restored", RAG, "no-delete")]}, {"changed": False},
         {"F": {RAG + "/enabled": GONE}, "u": NONE, "changed": False}],
        {**P0, "on_delete": "disable"}, B0),
    "an array as a set": (
        [{"F": {"/l": [1, 2, "u"]}, "H": {"/l": [2, 3]}, "at": {"/l": [2, 3, "u"]}}, {"changed": False}],
        {"arrays": [{"path": "/l", "merge": "set"}]}, {"l": [1, 2]}),
}

# The decision a leaf takes: what was applied (b), what the file says (u), what Helix said and says (h0, h1), and for
# each class: the leaf in the file, in overrides (None: not in it, GONE: a tombstone), and events by type.
DECISIONS = [
    # b, u, h0, h1, user-wins, helix-owned, no-delete, default-once
    ("b", "b", "b", "b", ("b", None), ("b", None), ("b", None), ("b", None)),
    ("b", "b", "b", "h", ("h", None), ("h", None), ("h", None), ("b", "b")),
    ("b", "u", "b", "b", ("u", "u"), ("b", None, "rejected"), ("u", "u"), ("u", "u")),
    ("b", "h", "b", "h", ("h", None), ("h", None), ("h", None), ("h", None)),
    ("b", "u", "b", "h", ("u", "u", "conflict"), ("h", None, "rejected"), ("u", "u", "conflict"), ("u", "u")),
    ("b", GONE, "b", "b", (GONE, GONE), ("b", None, "restored"), (GONE, GONE), (GONE, GONE)),
    ("b", GONE, "b", "h", (GONE, GONE, "conflict"), ("h", None, "restored"), (GONE, GONE, "conflict"), (GONE, GONE)),
    ("b", "b", "b", GONE, (GONE, None), (GONE, None), (GONE, None), ("b", "b")),
    ("b", "u", "b", GONE, ("u", "u"), (GONE, None, "rejected"), ("u", "u"), ("u", "u")),
    ("b", GONE, "b", GONE, (GONE, None), (GONE, None), (GONE, None), (GONE, None)),
    (GONE, "u", GONE, GONE, ("u", "u"), ("u", None), ("u", "u"), ("u", "u")),
    (GONE, "h", GONE, "h", ("h", None), ("h", None), ("h", None), ("h", None)),
    (GONE, "u", GONE, "h", ("u", "u", "conflict"), ("h", None, "rejected"), ("u", "u", "conflict"), ("u", "u")),
]
CLASSES = ["user-wins", "helix-owned", "no-delete", "default-once"]
# Not knowable without the old base: whether an owned leaf that the base lacks was Helix's or is the file's own.
NEEDS_H0 = {("helix-owned", "b", "b", GONE), ("helix-owned", "b", "u", GONE)}
