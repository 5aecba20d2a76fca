"""Another program uses a pretrained encoder: load it, extract features, fit scikit-learn on them.

Runs from anywhere with the package installed: python use_encoder.py runs/indian-pines/encoder.safetensors
It draws the same 5-shot split as `simclr linear-eval` (seed 0) and gets the same number.
"""

import json
import sys
from pathlib import Path

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from simclr import load_encoder
from simclr.data import load_indian_pines
from simclr.eval.splits.split import k_shot

path = Path(sys.argv[1])
encoder = load_encoder(path)
scene = load_indian_pines(patch_size=encoder.metadata["data"]["patch_size"])
split = k_shot(scene.labels, shots=5, seed=0, exclude=encoder.metadata["monitor_ids"])


@torch.no_grad()
def features(ids: torch.Tensor) -> torch.Tensor:
    """Raw patches (n, 200, 9, 9) → representations (n, feature_dim)."""
    return torch.cat([encoder(encoder.preprocess(scene[part])) for part in ids.split(512)])


scaler = StandardScaler().fit(features(split.train).double())
probe = LogisticRegression(C=1.0, tol=1e-6, max_iter=10_000)
probe.fit(scaler.transform(features(split.train).double()), scene.labels[split.train])
accuracy = probe.score(scaler.transform(features(split.test).double()), scene.labels[split.test])
print(f"scikit-learn on the frozen features, 5 shots, seed 0: OA {100 * accuracy:.2f} %")

result = path.parent / "result.json"
if result.exists():
    rows = json.loads(result.read_text())["rows"]
    wanted = {"representation": "pretrained", "probe": "logistic", "shots": 5, "split": "random", "metric": "oa"}
    row = next(row for row in rows if wanted.items() <= row.items())
    print(f"simclr linear-eval said:                              OA {100 * row['per_seed'][0]:.2f} %")
    sys.exit(0 if abs(row["per_seed"][0] - accuracy) < 5e-4 else "the two differ")
