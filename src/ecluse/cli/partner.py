import typer

app = typer.Typer()


@app.command()
def x():
    pass


@app.command()
def y():
    pass
