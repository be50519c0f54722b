from bertmini.cli import main

main()
