"""Networks on vectors: the embedding of another network in, an embedding out.

Shapes: B batch, T frames, F values of a vector, D embedding.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from sre import SreError
from sre.models.base import Network

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "elu": nn.ELU}


class MLP(Network):
    """Affine layers, each with an activation, (B, T, F) -> (B, D); of several frames the mean is taken.

    The defaults are MyLinearNet of S. Jung, Speaker embedding enhancement.

    Parameters
    ----------
    num_features : F, of the vectors
    embedding_dim : D
    widths : outputs of the layers before the last
    activation : "relu" or "elu"
    dropout : shares of values that are dropped, each by itself, after the layers before the last; none where it ends
    batch_norm : between each affine layer and its activation
    last_activation : the last layer has an activation too
    unit_length : divide the input by its length
    residual : add the input, so divided or not, to the output, and begin with zeros in the last layer

    Raises SreError where the network is residual and D is not F, or its last layer ends with a ReLU.
    """

    def __init__(
        self,
        num_features: int,
        embedding_dim: int = 512,
        widths: Sequence[int] = (1024, 2048, 2048, 1024),
        activation: str = "relu",
        dropout: Sequence[float] = (0.0, 0.2, 0.2, 0.2),
        batch_norm: bool = False,
        last_activation: bool = True,
        unit_length: bool = False,
        residual: bool = False,
    ) -> None:
        super().__init__(embedding_dim)
        self.unit_length, self.residual = unit_length, residual
        if residual and embedding_dim != num_features:
            raise SreError(
                f"mlp: residual adds inputs of {num_features} values to outputs of {embedding_dim}; set"
                f" embedding_dim: {num_features}"
            )
        if residual and last_activation and activation == "relu":
            raise SreError(
                "mlp: residual begins with zeros, of which a ReLU has no gradient, so that nothing would be learnt; set"
                " last_activation: false"
            )
        layers: list[nn.Module] = []
        sizes = [num_features, *widths, embedding_dim]
        for number, (width, outputs) in enumerate(zip(sizes, sizes[1:], strict=False)):
            last = number == len(widths)
            layers.append(affine := nn.Linear(width, outputs))
            if residual and last:
                nn.init.zeros_(affine.weight), nn.init.zeros_(affine.bias)
            if batch_norm:
                layers.append(nn.BatchNorm1d(outputs))
            if last_activation or not last:
                layers.append(ACTIVATIONS[activation]())
            if not last and number < len(dropout) and dropout[number]:
                layers.append(nn.Dropout(dropout[number]))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        x = x.mean(dim=1)  # (B, T, F) -> (B, F)
        x = functional.normalize(x) if self.unit_length else x
        return self.layers(x) + x if self.residual else self.layers(x)  # -> (B, D)
