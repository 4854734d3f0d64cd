"""`gas up`, `worker`, `manage`, `submit`, `demo`: the service and those who use it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gas.cli.show import progress_line
from gas.config import get_settings, override_environment
from gas.errors import GasError


def say(line: str) -> None:
    """One line for a person, at once."""
    typer.echo(line)
    sys.stdout.flush()


def up(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port; 0 takes a free one.", show_default="8000")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder for everything that GAS keeps.", show_default="GAS_DATA_DIR"),
    ] = None,
    annotators: Annotated[
        str | None,
        typer.Option(help="Annotators: a number, or a range to scale in.", show_default="2"),
    ] = None,
    web: Annotated[
        str | None,
        typer.Option(help="Web workers: a number, or a range to scale in.", show_default="2"),
    ] = None,
) -> None:
    """Run the whole service on this machine, in the foreground.

    Starts PostgreSQL (unless DATABASE_URL names one), the web part, the annotators and the
    utilities, one line for each, and starts again what dies. With `--annotators 2..10 --web 2..10`
    it starts and stops processes by the load. Ctrl-C stops everything. The first start makes
    secrets and an operator's account, and prints how to sign in, once.

    Everything else is set by environment variables: see docs/settings.md.
    """
    from gas.farm.supervisor import Supervisor

    _override(host=host, port=port, data=data, annotators=annotators, web=web)
    settings = get_settings()
    from gas import __version__

    say(f"GAS {__version__}, data in {settings.data_dir}")
    Supervisor(settings, say).run()


def worker(
    queue: Annotated[str, typer.Argument(help="annotate, notify, archive, restore or reap.")],
    data: Annotated[
        Path | None, typer.Option(help="Data folder.", show_default="GAS_DATA_DIR")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="What `gas up` knows it by; leave it out.", show_default="none"),
    ] = None,
) -> None:
    """Run one worker of a queue, in the foreground.

    `gas up` starts its own; this is for more of them, here or on other machines (with the same
    DATABASE_URL and storage). On SIGTERM it finishes what it has, for GAS_STOP_GRACE_S at most,
    then hands it back. On SIGUSR1 it finishes what it has, however long that takes, and ends.
    """
    from gas.farm import worker as work

    _override(data=data)
    work.run(queue, get_settings(), name)


def web(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port.", show_default="8000")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Data folder.", show_default="GAS_DATA_DIR")
    ] = None,
) -> None:
    """Run one web part, in the foreground.

    `gas up` starts its own; this is for hosts and containers that run nothing else, with the same
    DATABASE_URL, GAS_SECRET_KEY and storage. It changes no table: see `gas migrate`. On SIGTERM it
    finishes the requests it has.
    """
    from gas.farm.serve import serve

    _override(host=host, port=port, data=data)
    serve(get_settings())


def migrate() -> None:
    """Bring the database's tables up to this version of GAS.

    `gas up` does it by itself; hosts and containers that run one part only need it once for each
    new version. May run on several hosts at once, and again: they take turns, and what is done
    stays as it is. Make the first operator with `gas manage createsuperuser`.
    """
    from gas.farm.schema import migrate as run

    run(operator=False)
    say("The database is up to date.")


def cloudwatch(
    namespace: Annotated[str, typer.Option(help="CloudWatch's namespace.")] = "GAS",
    period: Annotated[float, typer.Option(min=1, help="Seconds between two counts.")] = 20.0,
    once: Annotated[bool, typer.Option("--once", help="Count once, print, and end.")] = False,
) -> None:
    """Tell Amazon CloudWatch how many annotations wait and run, and how long the first has waited.

    AWS scales the annotators by it. One process in the whole service is enough; region and role
    are found as by every AWS tool.
    """
    from gas.setup import setup_django

    setup_django()
    from gas.farm import cloudwatch as publisher
    from gas.wiring import system_clock

    client = publisher.make_client()
    if not once:
        publisher.run(client, namespace, period, system_clock)
        return
    for name, value in publisher.publish(client, namespace, system_clock()).items():
        say(f"{name} {value:g}")


def thaws(
    queue_url: Annotated[str, typer.Argument(help="Queue of Amazon SQS with S3's events.")],
) -> None:
    """Hear from S3 which frozen results are ready, and have them restored at once.

    Without it a restore begins when the thaw was expected to end.
    """
    from gas.setup import setup_django

    setup_django()
    from gas.farm import thaws as events

    events.run(events.make_client(), queue_url, get_settings().glacier_prefix)


def manage(context: typer.Context) -> None:
    """Run one of Django's own commands, such as `gas manage createsuperuser`.

    `gas manage help` lists them.
    """
    from gas.farm.first_start import prepare_folders
    from gas.setup import setup_django

    prepare_folders(get_settings())
    setup_django()
    from django.core.management import execute_from_command_line

    execute_from_command_line(["gas manage", *context.args])


def submit(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="VCF to annotate.")],
    server: Annotated[
        str | None,
        typer.Option(help="Address of the service.", show_default="GAS_SERVER or local"),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(help="API token; better given as GAS_TOKEN.", show_default="GAS_TOKEN"),
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="Reference to use.", show_default="the server's default")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="Engine to use.", show_default="the server's default")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it is over, and save the result.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Where to save the result.",
                     show_default="beside FILE"),
    ] = None,
) -> None:  # fmt: skip
    """Send a VCF to a running GAS and have it annotated there.

    Prints the job's id and page. With --wait it shows the progress, saves the annotated VCF with
    its index beside FILE, and exits 1 if the job failed. Get a token on your profile page.
    """
    client, job = _send(file, server, token, reference, engine)
    say(f"{job['id']}  {job['url']}")
    if not wait:
        return
    with progress_line(file.name) as look:
        job = client.wait(job["id"], look)
    if job["status"] != "COMPLETED":
        raise GasError(f"{job['status']}: {job['failure'] or 'cancelled'}")
    target = output or file.with_name(f"{file.name.split('.vcf')[0]}.annotated.vcf.gz")
    for item in job["files"]:
        if item["name"].startswith("annotated.vcf.gz"):
            path = target.with_name(target.name + item["name"].removeprefix("annotated.vcf.gz"))
            client.download(item["url"], path)
            say(f"{path}")


def _send(
    file: Path, server: str | None, token: str | None, reference: str | None, engine: str | None
) -> tuple[Any, dict[str, Any]]:
    from gas.client import Client

    settings = get_settings()
    secret = token or (settings.token.get_secret_value() if settings.token else "")
    if not secret:
        raise GasError(
            "No API token.", hint="Make one on your profile page; set GAS_TOKEN or give --token."
        )
    client = Client(server or settings.server, secret)
    upload_id = client.upload(file)
    return client, client.submit(upload_id, reference=reference, engine=engine)


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the service up until Ctrl-C.")
    ] = False,
) -> None:
    """Show everything once: a real genome through the real service, in a temporary folder.

    Starts the embedded service on a free port, signs up a user through the sign-up page, makes an
    API token, submits the variants of NA12878 on chromosome 20 and shows what came out. Then it
    stops everything; the result and the mail stay where it says.
    """
    from gas.demo.run import run_demo

    run_demo(say, keep=keep)


def _override(
    host: str | None = None,
    port: int | None = None,
    data: Path | None = None,
    annotators: str | None = None,
    web: str | None = None,
) -> None:
    given = {
        "GAS_HOST": host,
        "GAS_PORT": port,
        "GAS_DATA_DIR": data.absolute() if data else None,
        "GAS_ANNOTATORS": annotators,
        "GAS_WEB_WORKERS": web,
    }
    override_environment(**{name: str(value) for name, value in given.items() if value is not None})
