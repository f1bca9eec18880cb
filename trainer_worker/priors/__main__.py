from trainer_worker.priors.cli import main

if __name__ == "__main__":
    main()
