"""How the plots of these notebooks look."""

INK, MUTED, GRID = "#222222", "#6b6b6b", "#e6e6e6"
GREY, BLUE, ORANGE = "#c9ccd1", "#1f6fb4", "#d95f02"
DASHED = {"linestyle": "--", "linewidth": 1.2}
STYLE = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "lines.linewidth": 2,
}
