"""Writes one strict, self-contained JSON schema for each kind: make.sh says from what."""

import json
import pathlib
import sys

import kubernetes_validate
import yaml

KINDS = [
    "configmap-v1",
    "cronjob-batch-v1",
    "deployment-apps-v1",
    "namespace-v1",
    "networkpolicy-networking-v1",
    "poddisruptionbudget-policy-v1",
    "serviceaccount-v1",
]
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
DEFS = "#/$defs/"


def bare(node):
    """A copy without what validates nothing, its references to definitions local."""
    if isinstance(node, list):
        return [bare(n) for n in node]
    if not isinstance(node, dict):
        return node
    kept = {}
    for key, value in node.items():
        if key == "$ref":
            kept[key] = DEFS + value.rsplit("/", 1)[1]
        elif key in ("properties", "$defs"):
            kept[key] = {name: bare(n) for name, n in value.items()}
        elif key not in ("description", "$id", "$schema", "format", "default") and not key.startswith("x-kubernetes-"):
            kept[key] = bare(value)
    return kept


def references(node):
    """The definitions that a schema names."""
    if isinstance(node, list):
        return set().union(*map(references, node))
    if not isinstance(node, dict):
        return set()
    here = {node["$ref"].removeprefix(DEFS)} if isinstance(node.get("$ref"), str) else set()
    return here.union(*map(references, node.values()))


def whole(schema, definitions):
    """The schema with the definitions that it needs, directly or through others."""
    needed, look = {}, references(schema)
    while look:
        name = look.pop()
        needed[name] = bare(definitions[name])
        look |= references(needed[name]) - needed.keys()
    return schema | {"$defs": needed}


def strict(node):
    """The schema of a CRD, where an object has the fields that it declares and no others."""
    if isinstance(node, list):
        return [strict(n) for n in node]
    if not isinstance(node, dict):
        return node
    made = {k: {n: strict(s) for n, s in v.items()} if k == "properties" else strict(v) for k, v in node.items()}
    if "properties" in node and not node.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    if node.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
    return made


def custom(crd, definitions):
    """File name and schema of the newest served version of a CRD."""
    spec = crd["spec"]
    version = next(v for v in spec["versions"] if v["served"])
    schema = bare(strict(version["schema"]["openAPIV3Schema"]))
    schema["properties"] |= {
        "apiVersion": {"enum": [f"{spec['group']}/{version['name']}"]},
        "kind": {"enum": [spec["names"]["kind"]]},
        "metadata": {"$ref": DEFS + META},
    }
    schema["required"] = sorted({*schema.get("required", []), "apiVersion", "kind", "metadata"})
    name = f"{spec['names']['singular']}-{spec['group'].split('.')[0]}-{version['name']}"
    return name, whole(schema, definitions)


def main(version, crd, out):
    package = pathlib.Path(kubernetes_validate.__file__).parent
    source = package / "kubernetes-json-schema" / f"v{version}-local-strict"
    definitions = json.loads((source / "_definitions.json").read_text())["$defs"]
    schemas = {k: whole(bare(json.loads((source / f"{k}.json").read_text())), definitions) for k in KINDS}
    name, schema = custom(yaml.safe_load(pathlib.Path(crd).read_text()), definitions)
    schemas[name] = schema
    pathlib.Path(out).mkdir(parents=True)
    for name, schema in schemas.items():
        (pathlib.Path(out) / f"{name}.json").write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
