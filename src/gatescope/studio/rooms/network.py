from gatescope.studio.frame import Studio


def register(studio: Studio) -> None:
    pass
